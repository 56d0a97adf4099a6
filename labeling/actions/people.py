"""Accounts."""

from __future__ import annotations

import secrets

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.db.models import Value
from django.db.models.functions import Lower
from django.utils.translation import gettext as _

from labeling.actions import audit, tokens
from labeling.actions.errors import BadInput
from labeling.actions.text import check_text
from labeling.models import User
from labeling.models.ids import ALPHABET


class NameTaken(BadInput):
    """Somebody has this name, perhaps in other letters' case."""

    def __init__(self) -> None:
        super().__init__(_("Somebody has this name already."), field="username")


@transaction.atomic
def create_user(
    username: str,
    *,
    display_name: str = "",
    is_simulated: bool = False,
    one_time_password: bool = True,
    is_staff: bool = False,
    actor: User | None = None,
) -> tuple[User, str]:
    """A new account and its password, which is random and stored nowhere else in clear.

    With a one-time password the person must choose another before anything else; programs
    (`is_simulated`) keep theirs. `is_staff` opens the operators' admin pages. Raises BadInput if the name
    is taken or cannot be one.
    """
    check_text(display_name, "display_name", required=False)
    password = _new_password()
    user = User(
        username=username,
        first_name=display_name,
        is_simulated=is_simulated,
        is_staff=is_staff,
        must_change_password=one_time_password,
    )
    user.set_password(password)
    _save_new(user)
    audit.record("user.created", actor=actor, subject=user.public_id, simulated=is_simulated, staff=is_staff)
    return user, password


@transaction.atomic
def create_person(username: str, *, display_name: str = "", password: str | None, language: str = "") -> User:
    """An account that somebody makes for themselves, by an invitation or a provider of sign-in.

    `password` has passed the validators; None where a provider vouches for them. Raises BadInput if the name
    is taken or cannot be one, as one with an @ cannot: it could pass for somebody else's e-mail address.
    """
    check_text(display_name, "display_name", required=False)
    if "@" in username:
        raise BadInput(_("A name without @, please."), field="username")
    user = User(username=username, first_name=display_name, language=language)
    user.set_password(password)
    _save_new(user)
    audit.record("user.created", actor=user, subject=user.public_id, password=password is not None)
    return user


def free_name(wanted: str) -> str:
    """A username near to the wanted one that nobody has, in any case of its letters, at this moment."""
    stem = (
        "".join(sign for sign in wanted.partition("@")[0] if sign.isalnum() or sign in "._-")[:100]
        or "person"
    )
    name, number = stem, 2
    # As the database compares them, so that a name which it has refused is never found again.
    lower = User.objects.annotate(lower=Lower("username"))
    while lower.filter(lower=Lower(Value(name))).exists():
        name, number = f"{stem}{number}", number + 1
    return name


@transaction.atomic
def reset_password(user: User, *, actor: User | None = None) -> str:
    """A new one-time password. Whoever is signed in is signed out, and the API tokens are revoked."""
    password = _new_password()
    user.set_password(password)
    user.must_change_password = True
    user.save(update_fields=["password", "must_change_password"])
    tokens.revoke_all(user, actor=actor)
    audit.record("user.password_reset", actor=actor, subject=user.public_id)
    return password


def by_name(username: str) -> User:
    """Raises BadInput if there is no such account."""
    user = User.objects.filter(username=check_text(username, "username")).first()
    if user is None:
        raise BadInput(_("There is no account %(name)s.") % {"name": ascii(username)}, field="username")
    return user


def check_model(row: models.Model, *, alone: bool = False) -> None:
    """Django's own validation of a row that is to be saved, as BadInput that names its first bad field.

    `alone`: whether another row has the same is left to the database.
    """
    try:
        row.full_clean(validate_unique=not alone, validate_constraints=not alone)
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise BadInput(" ".join(messages), field="" if field == "__all__" else field) from None


def _save_new(user: User) -> None:
    """Of many who want one name at the same moment, one gets it. Raises NameTaken, BadInput."""
    check_model(user, alone=True)
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError:
        raise NameTaken from None


def _new_password() -> str:
    """Four groups of four characters, about 78 bits: to be typed once from another screen."""
    return "-".join("".join(secrets.choice(ALPHABET) for _place in range(4)) for _group in range(4))
