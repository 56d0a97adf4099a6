// Dragging a letter onto the board, by mouse, pen or finger. Everything it does, buttons and keys do too.

const STARTS_AFTER = 5;
const EDGE = 0.28;

// `handles`: a selector of elements with data-letter. drop(letter, {gap} or {into}).
export function dragging({ area, handles, tiers, drop }) {
  let drag = null;

  area.addEventListener("pointerdown", (event) => {
    const handle = event.target.closest(handles);
    if (!handle || event.button !== 0 || drag) return;
    drag = { letter: handle.dataset.letter, id: event.pointerId, x: event.clientX, y: event.clientY, ghost: null, target: null };
  });

  addEventListener("pointermove", (event) => {
    if (!drag || event.pointerId !== drag.id) return;
    if (!drag.ghost) {
      if (Math.hypot(event.clientX - drag.x, event.clientY - drag.y) < STARTS_AFTER) return;
      drag.ghost = document.createElement("div");
      drag.ghost.className = "drag-ghost";
      drag.ghost.textContent = drag.letter;
      document.body.append(drag.ghost);
      document.body.classList.add("is-dragging");
    }
    event.preventDefault();
    drag.ghost.style.transform = `translate(${event.clientX}px, ${event.clientY}px)`;
    aim(event.clientX, event.clientY);
  });

  addEventListener("pointerup", (event) => {
    if (!drag || event.pointerId !== drag.id) return;
    const { ghost, letter, target } = drag;
    end();
    if (!ghost) return;
    // The click that follows a drag is no click.
    addEventListener("click", swallow, { capture: true, once: true });
    setTimeout(() => removeEventListener("click", swallow, { capture: true }));
    if (target) drop(letter, target);
  });

  addEventListener("pointercancel", end);
  addEventListener("keydown", (event) => event.key === "Escape" && end());
  area.addEventListener("dragstart", (event) => event.preventDefault());

  function swallow(event) {
    event.preventDefault();
    event.stopPropagation();
  }

  function end() {
    drag?.ghost?.remove();
    drag = null;
    document.body.classList.remove("is-dragging");
    show(null);
  }

  function aim(x, y) {
    const bounds = tiers.getBoundingClientRect();
    const isNear = x > bounds.left - 40 && x < bounds.right + 40 && y > bounds.top - 40 && y < bounds.bottom + 40;
    drag.target = isNear ? targetAt(x, y) : null;
    show(drag.target);
  }

  // A tier's middle means into it; its ends, and what lies between two tiers, mean a place of one's own.
  function targetAt(x, y) {
    const isRow = getComputedStyle(tiers).flexDirection === "row";
    const rows = [...tiers.children];
    for (const [index, row] of rows.entries()) {
      const box = row.getBoundingClientRect();
      const share = isRow ? (x - box.left) / box.width : (y - box.top) / box.height;
      if (share < EDGE) return { gap: index };
      if (share <= 1 - EDGE) {
        const isAlone = row.querySelectorAll(".chip").length === 1 && row.querySelector(`.chip[data-letter="${drag.letter}"]`);
        return isAlone ? null : { into: index };
      }
      if (share <= 1) return { gap: index + 1 };
    }
    return { gap: rows.length };
  }

  function show(target) {
    tiers.classList.toggle("is-target", target !== null);
    for (const [index, row] of [...tiers.children].entries()) {
      const isLast = index === tiers.children.length - 1;
      row.classList.toggle("drop-before", target?.gap === index);
      row.classList.toggle("drop-after", isLast && target?.gap === index + 1);
      row.classList.toggle("drop-into", target?.into === index);
    }
  }
}
