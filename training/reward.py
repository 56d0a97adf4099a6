"""The reward model learns from rankings which completions labelers prefer (InstructGPT, 3.5 and C.2)."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from itertools import islice
from typing import Any, cast

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from training import data
from training.checkpoints import load_tokenizer
from training.contracts import TRAINED_ON, ContractError, RewardSettings, TrainedOn, write_json
from training.data import Example, Item
from training.optimizer import adam, cosine_to_tenth
from training.prefix import Sharing, pays, row_tokens, score_items, try_sharing
from training.resume import Part
from training.reward_losses import agreeing, kwise_loss, kwise_pairs, tie_rate
from training.reward_model import Ensemble, RewardModel, Scorer, new_reward_model
from training.reward_report import reward_report
from training.stage import Run, main
from training.tokens import collate
from training.tuning import autocast, tune
from training.votes import Counting


def train_reward(run: Run) -> dict[str, Any]:
    settings = cast(RewardSettings, run.config.settings)

    # 1. The items, and who ranks them: labelers who are held out show how well the model knows strangers.
    tokenizer = load_tokenizer(run.input("base"))
    limits = settings.max_prompt_tokens, settings.max_response_tokens
    dataset = data.load_items(run.input("dataset.jsonl"), tokenizer, *limits)
    everyone = set(data.shuffled_labelers(dataset.items, run.config.seed))
    strangers = list(settings.held_out_labelers) or data.held_out_labelers(
        dataset.items, settings.held_out_labeler_share, run.config.seed
    )
    if settings.learns_from == "valid" and strangers:
        strangers = sorted(everyone - set(strangers))
    of_train = [item for item in dataset.items if item.split == settings.learns_from]
    held_out = [item for item in dataset.items if item.split != settings.learns_from]
    train = data.ranked_by(of_train, everyone - set(strangers))
    if not train:
        raise ContractError(
            f"dataset.jsonl: no ranked item of the {settings.learns_from} split by who teaches the model"
        )

    # 2. Train each member, and centre it on demonstrations, or on the completions where there are none.
    centred_on, examples = examples_to_centre_on(run, tokenizer, train)
    trained = [Member(run, number, train, dataset.items) for number in range(settings.members)]
    for member in trained:
        member.learn(trained[: member.number])
    run.group.end()  # of several processes the first goes on alone
    for member in trained:
        member.model.centre(score_all(member.model, tokenizer, examples, settings.batch_size))
    models = [member.model for member in trained]
    model: Scorer = models[0] if len(models) == 1 else Ensemble(models, settings.ensemble_lambda).eval()

    # 3. How well it predicts rankings that it has not seen, beside how well labelers predict each other.
    unseen = data.ranked_by(of_train, strangers)
    row_limit = trained[0].row_limit
    etas = [float(one.eta.detach()) if one.eta is not None else 0.0 for one in models]
    report: dict[str, Any] = {
        **reward_report(
            held_out,
            score_each(model, tokenizer, held_out, settings, row_limit),
            dataset.items,
            scale=statistics.fmean(float(one.scale) for one in models),
            eta=statistics.fmean(etas),
            held_out_labelers=strangers,
            unseen=unseen,
            unseen_scores=score_each(model, tokenizer, unseen, settings, row_limit),
            counting=Counting(settings.bootstrap, run.config.seed),
        ),
        "skipped_all_bad": dataset.skipped_all_bad,
        "centred_on": centred_on,
        "bias": float(models[0].bias),
        "scale": float(models[0].scale),
        "members": settings.members,
        "shared_prefix": dataclasses.asdict(trained[0].sharing),
    }
    model.save(tokenizer, run.outputs)
    write_json(run.outputs / "report.json", report)
    labelers = {ranking.labeler for item in train for ranking in item.rankings}
    seen = TrainedOn(tuple(sorted({item.prompt_id for item in train})), tuple(sorted(labelers)))
    write_json(run.outputs / TRAINED_ON, dataclasses.asdict(seen))
    return {
        "loss": statistics.fmean(loss for member in trained for loss in member.losses[-20:]),
        "steps": sum(len(member.losses) for member in trained),
        "train_items": len(train),
        **report,
    }


class Member:
    """One model in training: the only one, or one of an ensemble, which differ by their seeds."""

    def __init__(self, run: Run, number: int, train: Sequence[Item], everything: Sequence[Item]) -> None:
        self.run, self.number, self.train = run, number, train
        self.settings = settings = cast(RewardSettings, run.config.settings)
        self.seed = run.config.seed + number
        torch.manual_seed(self.seed)
        self.model, tokenizer = new_reward_model(run.input("base"))
        tune(self.model.backbone, settings)
        self.model.to(run.device)
        self.pad = tokenizer.pad_token_id
        if settings.ties == "rao_kupper":
            self.model.learn_ties(tie_rate([item.orders for item in train]))
        self.sharing = Sharing(False, None, "turned off")
        if settings.shared_prefix == "auto":
            self.sharing = try_sharing(self.model, everything, self.pad, settings.max_row_tokens)
        self.row_limit = settings.max_row_tokens if self.sharing.used else 0
        self.losses: list[float] = []

    def learn(self, before: Sequence[Member]) -> None:
        """Each completion is read once, however many pairs it is in. Dropout stays off.

        A checkpoint has the members that learned `before` too; one that had learned before the run was taken
        up again is left to be loaded with it.
        """
        run, settings, model = self.run, self.settings, self.model
        model.train(settings.gradient_checkpointing)  # dropout is off in either mode
        self.spread = run.group.spread(model, model.backbone._no_split_modules or ())
        own = [each for each in model.parameters() if each.requires_grad and each is not model.rho]
        groups: list[dict[str, Any]] = [{"params": own}]
        if model.rho is not None:
            groups.append({"params": [model.rho], "lr": settings.tie_learning_rate, "weight_decay": 0.0})
        steps = data.total_steps(len(self.train), settings.batch_size, settings.epochs)
        optimizer = adam(groups, settings.learning_rate, settings.weight_decay)
        schedule = cosine_to_tenth(optimizer, settings.warmup_steps, steps)
        lengths = [row_tokens(item) for item in self.train]
        batches = data.training_batches(lengths, settings.batch_size, steps, self.seed)
        kept = run.checkpoints
        done = min(max(0, kept.step - self.number * steps), steps)
        members = [*before, self]
        parts: dict[str, Part] = {f"member-{each.number}": each.model for each in members}
        parts |= {"optimizer": optimizer, "schedule": schedule}
        if done:
            self.losses = kept.values["losses"][self.number]
        if (kept.step - 1) // steps == self.number:
            kept.load(parts)
        for step, indices in islice(enumerate(batches, 1), done, None):
            loss, accuracy = self._gradients([self.train[index] for index in indices])
            torch.nn.utils.clip_grad_norm_(own, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            self.losses.append(loss)
            figures = {"theta": float(model.eta.detach().exp())} if model.eta is not None else {}
            run.log(
                self.number * steps + step,
                settings.members * steps,
                loss=loss,
                accuracy=accuracy,
                learning_rate=optimizer.param_groups[0]["lr"],
                **figures,
            )
            kept.keep(self.number * steps + step, parts, losses=[each.losses for each in members])
        self.model = cast(RewardModel, self.spread.whole()).eval()

    def _gradients(self, items: Sequence[Item]) -> tuple[float, float]:
        """Add a batch's gradients up; returns its loss, and how often the model agrees with its pairs now."""
        settings, group = self.settings, self.run.group
        loss = agreed = ordered = 0.0
        # What is read in the same form goes together: processes must pass through a layer equally often.
        alike = [
            [item for item in items if pays(self.model.backbone, item, self.row_limit) == together]
            for together in (True, False)
        ]
        for part, counted in (
            each for some in alike for each in group.parts(some, settings.micro_batch_size)
        ):
            points = [[ranking.scores for ranking in item.rankings] for item in part]
            pairs = kwise_pairs([item.orders for item in part], points, settings.margin_from_scores)
            with autocast(settings, self.run.device):
                scores = self.spread(score_items, part, self.pad, self.row_limit)
            mean = kwise_loss(scores, pairs, self.model.eta) * counted / len(items)
            self.spread.backward(mean)
            loss += mean.item()
            if counted:
                right, told = agreeing(scores, pairs)
                agreed, ordered = agreed + right, ordered + told
        loss, agreed, ordered = group.sum(loss, agreed, ordered)
        return loss, agreed / ordered if ordered else 0.5


def examples_to_centre_on(
    run: Run, tokenizer: PreTrainedTokenizerBase, train: Sequence[Item]
) -> tuple[str, list[Example]]:
    """What the bias and scale are measured on, and its name. Raises ContractError."""
    settings = cast(RewardSettings, run.config.settings)
    if run.has("demonstrations.jsonl"):
        centred_on = "demonstrations"
        splits = data.load_demonstrations(
            run.input("demonstrations.jsonl"),
            tokenizer,
            settings.max_prompt_tokens,
            settings.max_response_tokens,
        )
        examples = splits["train"] or splits["valid"] or splits["test"]
    else:
        centred_on = "completions"
        examples = [Example(item.prompt, response) for item in train for response in item.responses]
    order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(run.config.seed))
    return centred_on, [examples[index] for index in order[: settings.max_demonstrations or None].tolist()]


@torch.no_grad()
def score_all(
    model: Scorer, tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example], batch_size: int
) -> Tensor:
    """[N] scores, on the CPU."""
    scores = torch.zeros(len(examples))
    lengths = [len(example.prompt) + len(example.response) for example in examples]
    for indices in data.batches_by_length(lengths, batch_size):
        prompts = [examples[index].prompt for index in indices]
        responses = [examples[index].response for index in indices]
        scores[indices] = model(collate(prompts, responses, tokenizer.pad_token_id, model.device)).cpu()
    return scores


@torch.no_grad()
def score_each(
    model: Scorer,
    tokenizer: PreTrainedTokenizerBase,
    items: Sequence[Item],
    settings: RewardSettings,
    row_limit: int,
) -> list[list[float]]:
    """The scores of each item's completions."""
    scores: list[list[float]] = [[]] * len(items)
    size = settings.micro_batch_size or settings.batch_size
    for indices in data.batches_by_length([row_tokens(item) for item in items], size):
        some = [items[index] for index in indices]
        parts = score_items(model, some, tokenizer.pad_token_id, row_limit).cpu()
        for index, part in zip(indices, parts.split([len(item.responses) for item in some]), strict=True):
            scores[index] = part.tolist()
    return scores


if __name__ == "__main__":
    main("reward", train_reward)
