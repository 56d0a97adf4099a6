"""Rounds through the client: started, held, overridden, stopped."""

from __future__ import annotations

import pytest

from labeling.models import Round, RoundStep
from rankloop_client import BadRequest, Conflict
from tests import learn


def test_a_round_is_started_overridden_and_stopped(project, lead, lin):
    learn.imported(project, 2)
    begun = lead.start_round(project.public_id)
    assert (begun.state, begun.started_by.user) == ("running", lin.user.public_id)
    with pytest.raises(Conflict):
        lead.start_round(project.public_id)
    assert [found.round for found in lead.rounds(project.public_id, state="running")] == [begun.round]
    Round.objects.update(state=Round.State.HELD)
    RoundStep.objects.filter(name="sft").update(state=RoundStep.State.HELD)
    with pytest.raises(BadRequest) as caught:
        lead.override_gate(begun.round, " ")
    assert caught.value.status == 400
    assert lead.override_gate(begun.round, "we know better").override_reason == "we know better"
    assert lead.stop_round(begun.round).state == "stopped"
    assert lead.round(begun.round).state == "stopped"
