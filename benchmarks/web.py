"""`make bench-web`: how fast a web process starts, and how much memory it holds after some work.

The real server with everything on, on servers of its own in a temporary folder: started so many times, from
the command to the first answer; then people sign in and walk through labelers', leads' and operators' pages,
charts drawn, the API's description and its longest lists, until each was asked for often. Memory is what the
kernel says of each process: RSS, PSS (what processes share counts in parts). Linux only. The last line is
JSON; the exit status is 1 where a goal is missed, or where a process has loaded torch or transformers.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from labeling.services import HEALTH, SERVICES
from labeling.supervisor import Stack, ports
from labeling.supervisor.processes import Process

if TYPE_CHECKING:
    from labeling.models import DatasetVersion, ModelVersion, Project, Run

PASSWORD = secrets.token_urlsafe(16)
APPLICATION = "benchmarks.looked_into:application"
GOAL_SECONDS, GOAL_MEGABYTES = 3.0, 150.0
UNWANTED = ("torch", "transformers")
"""What no web process may load."""
POINTS = 400
"""Steps of the run whose curves are drawn."""
LONGEST_LIST = 200
"""Entries in one answer of the API; there are more of each kind."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-web", description=__doc__.split("\n\n")[0])
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--requests", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rankloop-bench-") as folder:
        state = Path(folder) / "state"
        with Stack(state, say=say) as stack:
            prepared = [sys.executable, "-m", "labeling.supervisor.prepare", "migrate", "static"]
            subprocess.run(prepared, env=stack.environment, check=True)
            os.environ.update(stack.environment)
            import django

            django.setup()
            pages = make_world()
            report = measure(state, stack.environment, pages, options)
    print_table(report)
    print(json.dumps(report), flush=True)
    sys.exit("\n".join(missed(report)) or 0)


def measure(
    state: Path, environment: dict[str, str], pages: dict[str, list[str]], options: argparse.Namespace
) -> dict[str, Any]:
    """Start the web so many times, work with the last one, look at its processes."""
    port = ports.choose(None, state / "port")
    url = f"http://{ports.HOST}:{port}"
    variables = {**environment, "GRANIAN_HOST": ports.HOST, "GRANIAN_PORT": str(port)}
    service = SERVICES["web"]
    words = (word.replace("labeling.wsgi:application", APPLICATION) for word in service.arguments)
    command = [sys.executable, *words]
    web = Process(
        "web", command, state, environment=service.environment(variables), orphan_signal=signal.SIGTERM
    )
    starts = []
    for number in range(options.starts):
        web.stop()
        began = time.monotonic()
        web.start()
        wait_until_it_answers(web, url)
        starts.append(time.monotonic() - began)
        say(f"start {number + 1}: {starts[-1]:.2f} s")
    try:
        sessions = {name: signed_in(url, name) for name in pages}
        done = 0
        while done < options.requests:
            for name, addresses in pages.items():
                for address in addresses:
                    sessions[name].get(url + address, timeout=60).raise_for_status()
                    done += 1
        processes = [memory(web.pid, "main")]
        for pid in children(web.pid):
            processes.append({**memory(pid, "serving"), **loaded(pid, url)})
            processes += [memory(child, "drawing") for child in children(pid)]
    finally:
        web.stop()
    serving = [process for process in processes if process["role"] == "serving"]
    return {
        "start_s": round(statistics.median(starts), 2),
        "requests": done,
        "largest_rss_mb": max(process["rss_mb"] for process in serving),
        "all_pss_mb": round(sum(process["pss_mb"] for process in processes), 1),
        "processes": processes,
    }


def wait_until_it_answers(web: Process, url: str) -> None:
    while True:
        try:
            if requests.get(url + HEALTH, timeout=10).status_code == 200:
                return
        except requests.ConnectionError:
            pass
        if not web.running():
            sys.exit(web.tail())
        time.sleep(0.01)


def signed_in(url: str, username: str) -> requests.Session:
    session = requests.Session()
    page = session.get(f"{url}/sign-in/", timeout=60)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert token, "no form to sign in by"
    form = {"username": username, "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
    answer = session.post(f"{url}/sign-in/", data=form, timeout=60)
    assert answer.ok, answer.status_code
    assert "sign-in" not in answer.url, f"{username} could not sign in"
    return session


def loaded(pid: int, url: str) -> dict[str, bool]:
    """Which of the unwanted packages the serving process `pid` has loaded: modules, or libraries."""
    from benchmarks.looked_into import LOADED  # it sets Django up, which only now knows its database

    for _ in range(1000):  # which process answers is the kernel's choice
        seen = requests.get(url + LOADED, timeout=60).json()
        if seen["pid"] == pid:
            maps = Path(f"/proc/{pid}/maps").read_text()
            return {name: name in seen["modules"] or f"/{name}/" in maps for name in UNWANTED}
    sys.exit(f"the serving process {pid} never answers")


def children(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int(word) for thread in threads for word in (thread / "children").read_text().split()]


def memory(pid: int, role: str) -> dict[str, Any]:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kilobytes = {
        name: int(value) for name, value in re.findall(r"^(Rss|Pss): +(\d+) kB", rollup, re.MULTILINE)
    }
    return {
        "role": role,
        "rss_mb": round(kilobytes["Rss"] / 1000, 1),
        "pss_mb": round(kilobytes["Pss"] / 1000, 1),
        "chart_library": "vl_convert" in Path(f"/proc/{pid}/maps").read_text(),
    }


# --- what is looked at --------------------------------------------------------------------------------


def make_world() -> dict[str, list[str]]:
    """A project with people, work and a run with curves; by person, the addresses that they walk through."""
    from labeling.actions import care, guidelines, people, projects
    from labeling.demo.everyday import create_everyday_project
    from labeling.models import Role

    project = create_everyday_project()
    care.set_policy(project, {"onboarding": False})
    in_force = guidelines.latest(project)
    assert in_force is not None
    for name, role in (("labeler", Role.LABELER), ("lead", Role.LEAD), ("operator", None)):
        user, _ = people.create_user(name, one_time_password=False, is_staff=role is None)
        user.set_password(PASSWORD)
        user.save()
        if role is not None:
            guidelines.accept(projects.add_member(project, user, role), in_force.version)
    fill_lists(project)
    run = make_run(project)
    home, api = f"/p/{project.public_id}/", f"/api/projects/{project.public_id}"
    lists = [
        f"{api}/{name}?limit={LONGEST_LIST}" for name in ("prompts", "completions", "items", "demonstrations")
    ]
    return {
        "labeler": [
            *("/", f"{home}rank/", f"{home}guidelines/", f"{home}demonstrate/", f"{api}/answers?kind=rank"),
        ],
        "lead": [
            *("/", home, f"{home}?live", f"/runs/{run.public_id}/", f"{home}runs/", f"{home}datasets/"),
            *("/api/docs", "/api/schema", f"/api/runs/{run.public_id}/metrics", *lists),
        ],
        "operator": ["/admin/", "/admin/labeling/user/", "/admin/labeling/prompt/"],
    }


def fill_lists(project: Project) -> None:
    """More prompts, completions, items and demonstrations than one answer of the API holds."""
    from labeling.actions.prompts import import_lines

    lines = (
        json.dumps(
            {
                "prompt": f"Say something about {number}. " * 20,
                "completions": [
                    {"model": "somebody", "text": f"{word} {number}. " * 60} for word in ("Yes", "No")
                ],
                "demonstrations": f"It is {number}. " * 60,
            }
        ).encode()
        for number in range(LONGEST_LIST + 50)
    )
    import_lines(project, lines)


def make_run(project: Project) -> Run:
    """A running run whose curves fill a page."""
    from labeling.actions import datasets, runs
    from labeling.actions.completions import outside_model
    from training.contracts import GenerateSettings

    prompts = datasets.freeze(project, "prompts")
    policy = outside_model(project, "somebody's")
    policy.artifact = prompts.artifact  # never read: only the page is looked at
    inputs: dict[str, DatasetVersion | ModelVersion] = {"prompts.jsonl": prompts, "policy": policy}
    run = runs.create(project, "generate", settings=GenerateSettings(), seed=1, inputs=inputs)
    claim = runs.claim(run.pk)
    assert claim is not None
    lines = [
        {
            "step": step,
            "total": POINTS,
            "time": float(step),
            "loss": 3 / step,
            "kl": step / POINTS,
            "reward": step,
        }
        for step in range(1, POINTS + 1)
    ]
    runs.record_metrics(claim, 0, lines)
    return run


# --- telling ------------------------------------------------------------------------------------------


def print_table(report: dict[str, Any]) -> None:
    rows = [
        ("start to first answer, median", f"{report['start_s']:.2f} s", f"under {GOAL_SECONDS:.0f} s"),
        *(
            (
                f"{process['role']} process, RSS / PSS",
                f"{process['rss_mb']:.0f} / {process['pss_mb']:.0f} MB",
                "",
            )
            for process in report["processes"]
        ),
        (
            "largest serving process, RSS",
            f"{report['largest_rss_mb']:.0f} MB",
            f"under {GOAL_MEGABYTES:.0f} MB",
        ),
        ("all together, PSS", f"{report['all_pss_mb']:.0f} MB", ""),
    ]
    say(f"\nAfter {report['requests']} requests:")
    for name, value, goal in rows:
        say(f"  {name:<34}{value:>16}   {goal}")


def missed(report: dict[str, Any]) -> list[str]:
    """What is not as it should be, in words."""
    troubles = []
    if report["start_s"] > GOAL_SECONDS:
        troubles.append(f"it starts in {report['start_s']} s: more than {GOAL_SECONDS:.0f} s")
    if report["largest_rss_mb"] > GOAL_MEGABYTES:
        troubles.append(f"a process holds {report['largest_rss_mb']} MB: more than {GOAL_MEGABYTES:.0f} MB")
    serving = [process for process in report["processes"] if process["role"] == "serving"]
    return troubles + [f"the web loads {name}" for name in UNWANTED if any(one[name] for one in serving)]


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
