"""What a round trains its policy by, mixes in and is measured with. Runs are published without training."""

from __future__ import annotations

import pytest

from labeling.actions import corpora, loop, policies, runs
from labeling.actions.errors import BadInput
from labeling.models import DatasetVersion, ModelVersion, Round, Run
from tests import laws, learn
from tests.learn import GOOD, walk
from training.contracts import PretrainingRow, row_bytes

pytestmark = pytest.mark.django_db(transaction=True)

CORPUS = [row_bytes(PretrainingRow("Once upon a time.")), row_bytes(PretrainingRow("从前有座山。"))]
QUESTION = b"""{"task": "truth", "id": "q1", "messages": [{"role": "user", "content": "Is it?"}],
"metric": "exact", "references": ["yes"]}""".replace(b"\n", b" ")


@pytest.fixture(autouse=True)
def store(settings, tmp_path):
    settings.ARTIFACTS = tmp_path / "artifacts"


@pytest.fixture
def project():
    """Ten prompts to train on, three to validate on and two to test on; ranked by two after a first round."""
    made = learn.project(
        bootstrap=True, enabled=True, rankings_per_round=4, items_per_round=8, completions_per_item=3
    )
    for count, split in ((10, "train"), (3, "valid"), (2, "test")):
        learn.imported(made, count, split=split)
    walk()
    learn.rank_all(made, "ann", "ben")
    return made


def second_round(project, **policy) -> Round:
    for name, value in policy.items():
        setattr(project.loop_policy, name, value)
    project.loop_policy.save()
    walk(GOOD)
    round = Round.objects.get(number=2)
    assert (round.state, round.reason) == ("completed", "")
    return round


def reads(round: Round, step: str) -> dict[str, str]:
    run = round.steps.get(name=step).run
    return {given.name: str(given.dataset or given.model) for given in run.inputs.all()}


def test_dpo_learns_from_the_rankings_behind_the_same_gate(project):
    round = second_round(project, trainer="dpo")
    assert [step.name for step in round.steps.order_by("ordinal")] == [
        "freeze", "sft", "reward", "gate", "dpo", "promote", "generate", "retire", "evaluate",
    ]  # fmt: skip
    assert reads(round, "dpo") == {"dataset.jsonl": "comparisons 1", "policy": "sft-1"}
    assert reads(round, "generate")["policy"] == "policy-1"
    project.refresh_from_db()
    assert project.policy_model.name == "policy-1"
    assert "prompts" not in round.steps.get(name="freeze").detail["datasets"]
    assert laws.broken() == {}


def test_a_policy_is_measured_on_prompts_that_it_has_not_seen_against_its_sft_model(project):
    round = second_round(project)
    assert reads(round, "evaluate") == {
        "prompts.jsonl": "prompts 3", "policy": "policy-1", "reference": "sft-1", "reward": "reward-1",
    }  # fmt: skip
    held_out = DatasetVersion.objects.get(kind="prompts", number=3)
    assert held_out.counts["splits"] == {"valid": 3}


def test_a_judge_is_trained_on_the_other_split_and_is_no_reward_model_for_anything_else(project):
    round = second_round(project, evaluation_reward=True)
    reward, judge = Run.objects.filter(stage="reward").order_by("pk")
    assert (reward.settings["learns_from"], judge.settings["learns_from"]) == ("train", "valid")
    # The seed settles who is held out: both must mean the same people.
    assert (judge.is_judge, judge.seed) == (True, reward.seed)
    assert judge.model_version.name == "judge-1"
    assert reads(round, "evaluate")["evaluation_reward"] == "judge-1"
    assert runs.newest_reward(project) == reward.model_version
    # It has learned the validation split, so the prompts are those that neither has seen.
    held_out = round.steps.get(name="freeze").detail["datasets"]["held_out"]
    assert DatasetVersion.objects.get(public_id=held_out).counts["splits"] == {"test": 2}
    assert laws.broken() == {}


def test_evaluation_can_be_turned_off(project):
    assert not second_round(project, evaluate=False).steps.filter(name__in=["judge", "evaluate"]).exists()


def test_what_is_mixed_in_must_be_there_and_is_named_by_the_round(project):
    project.loop_policy.stage_settings = {"ppo": {"pretraining_coefficient": 27.8}}
    with pytest.raises(
        BadInput, match=r"ppo\.pretraining_coefficient: the project has no pretraining corpus"
    ):
        policies.check(project.loop_policy)
    corpus = corpora.import_file(project, "pretraining", CORPUS).version
    corpora.import_file(project, "tasks", [QUESTION])
    round = second_round(project)
    assert reads(round, "ppo")["pretraining.jsonl"] == "pretraining 1"
    assert reads(round, "evaluate")["tasks.jsonl"] == "tasks 1"
    assert round.steps.get(name="freeze").detail["datasets"]["pretraining"] == corpus.public_id
    assert laws.broken() == {}


def test_sft_is_shown_the_reward_model_and_yet_not_trained_again_for_a_new_one(project):
    second_round(project)
    assert Round.objects.get(number=2).steps.get(name="sft").reused
    learn.demonstrate(project.memberships.first(), "something new")
    loop.start_round(project, "manual")
    walk(GOOD)
    third = Round.objects.get(number=3)
    assert reads(third, "sft") == {"dataset.jsonl": "sft 2", "reward": "reward-1"}
    loop.start_round(project, "manual")
    walk(GOOD)
    # By now there is reward-2, and still nothing new to learn.
    assert Round.objects.get(number=4).steps.get(name="sft").run == third.steps.get(name="sft").run
    assert ModelVersion.objects.filter(kind="sft").count() == 2


def test_the_same_file_is_one_version_and_a_bad_line_stands_against_all(project):
    first = corpora.import_file(project, "pretraining", CORPUS, licence="CC0-1.0")
    again = corpora.import_file(project, "pretraining", CORPUS, licence="CC0-1.0")
    assert (first.is_new, again.is_new, again.version) == (True, False, first.version)
    assert (first.version.counts, first.version.recipe) == (
        {"rows": 2, "characters": 23}, {"licence": "CC0-1.0"},
    )  # fmt: skip
    told = []
    lines = [CORPUS[0], b"", b'{"text": ""}', b"{", b'{"txt": "x"}', b'{"text": 3}']

    def tell(number, error):
        told.append((number, error.field))

    assert corpora.import_file(project, "pretraining", lines, on_bad_line=tell).version is None
    assert told == [(3, "text"), (4, "line"), (5, "txt"), (6, "text")]
    kept = corpora.import_file(project, "pretraining", lines, skip_bad=True).version
    assert (kept.number, kept.counts) == (2, {"rows": 1, "characters": 17, "left_out": 4})


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (b'"exact"', b'"choice"', "references"),
        (b'["yes"]', b"[]", "references"),
        (b'"exact"', b'"guess"', "metric"),
        (b'"user"', b'"assistant"', "messages"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused_by_field(project, old, new, field):
    told = []
    corpora.import_file(
        project, "tasks", [QUESTION.replace(old, new)], skip_bad=False,
        on_bad_line=lambda number, error: told.append(error.field),
    )  # fmt: skip
    assert told == [field]


def test_a_question_is_asked_once(project):
    told = []
    corpora.import_file(
        project, "tasks", [QUESTION, QUESTION], on_bad_line=lambda number, error: told.append(number)
    )
    assert told == [2]
