"""Addresses below /api/. Each has its line in doors.py."""

from __future__ import annotations

from django.urls import path

from labeling.api import (
    answers,
    assignments,
    checks,
    completions,
    datasets,
    demonstrations,
    guidelines,
    invitations,
    items,
    members,
    models,
    openapi,
    people,
    preview,
    projects,
    prompts,
    rankings,
    returns,
    reviews,
    rounds,
    rubrics,
    runs,
    webhooks,
    written_prompts,
)

app_name = "api"
urlpatterns = [
    path("schema", openapi.OpenApi.as_view(), name="schema"),
    path("me", people.Me.as_view(), name="me"),
    path("me/workspace", people.SetWorkspace.as_view(), name="set-workspace"),
    path("projects", projects.Projects.as_view(), name="projects"),
    path("projects/<str:project>", projects.OneProject.as_view(), name="project"),
    path("projects/<str:project>/guidelines", guidelines.InForce.as_view(), name="guidelines"),
    path("projects/<str:project>/guidelines/accept", guidelines.Accept.as_view(), name="accept-guidelines"),
    path(
        "projects/<str:project>/guidelines/versions",
        guidelines.Versions.as_view(),
        name="guidelines-versions",
    ),
    path("projects/<str:project>/rubrics", rubrics.Rubrics.as_view(), name="rubrics"),
    # --- a labeler's work ---
    path("projects/<str:project>/next", projects.Next.as_view(), name="next"),
    path("projects/<str:project>/answers", answers.Answers.as_view(), name="answers"),
    path("assignments/<uuid:assignment>", assignments.Held.as_view(), name="assignment"),
    path("assignments/<uuid:assignment>/show", assignments.Show.as_view(), name="show"),
    path("assignments/<uuid:assignment>/html", assignments.Html.as_view(), name="assignment-html"),
    path("assignments/<uuid:assignment>/renew", assignments.Renew.as_view(), name="renew"),
    path("assignments/<uuid:assignment>/draft", assignments.SaveDraft.as_view(), name="draft"),
    path("assignments/<uuid:assignment>/release", assignments.Release.as_view(), name="release"),
    path("assignments/<uuid:assignment>/skip", assignments.Skip.as_view(), name="skip"),
    path("assignments/<uuid:assignment>/ranking", assignments.SubmitRanking.as_view(), name="submit-ranking"),
    path(
        "assignments/<uuid:assignment>/demonstration",
        assignments.SubmitDemonstration.as_view(),
        name="submit-demonstration",
    ),
    path("rankings/<str:ranking>/revisions", assignments.ReviseRanking.as_view(), name="revise-ranking"),
    path(
        "demonstrations/<str:demonstration>/revisions",
        assignments.ReviseDemonstration.as_view(),
        name="revise-demonstration",
    ),
    path(
        "assignments/<uuid:assignment>/written-prompt",
        written_prompts.SubmitWrittenPrompt.as_view(),
        name="submit-written-prompt",
    ),
    path(
        "written-prompts/<str:written_prompt>/revisions",
        written_prompts.ReviseWrittenPrompt.as_view(),
        name="revise-written-prompt",
    ),
    path("preview", preview.Preview.as_view(), name="preview"),
    path("assignments/<uuid:assignment>/review", reviews.SubmitReview.as_view(), name="submit-review"),
    path("reviews/<str:review>/revisions", reviews.ReviseReview.as_view(), name="revise-review"),
    path("returns/<str:returned>/reply", returns.Reply.as_view(), name="reply"),
    # --- what people wrote, for reviewers and leads ---
    path("projects/<str:project>/reviews", reviews.Reviews.as_view(), name="reviews"),
    path("reviews/<str:review>", reviews.OneReview.as_view(), name="review"),
    path("projects/<str:project>/returns", returns.Returns.as_view(), name="returns"),
    path("returns/<str:returned>/close", returns.Close.as_view(), name="close-return"),
    path(
        "projects/<str:project>/written-prompts",
        written_prompts.WrittenPrompts.as_view(),
        name="written-prompts",
    ),
    path(
        "written-prompts/<str:written_prompt>",
        written_prompts.OneWrittenPrompt.as_view(),
        name="written-prompt",
    ),
    path(
        "projects/<str:project>/demonstrations",
        demonstrations.Demonstrations.as_view(),
        name="demonstrations",
    ),
    path(
        "demonstrations/<str:demonstration>", demonstrations.OneDemonstration.as_view(), name="demonstration"
    ),
    path("projects/<str:project>/rankings", rankings.Rankings.as_view(), name="rankings"),
    path("rankings/<str:ranking>", rankings.OneRanking.as_view(), name="ranking"),
    # --- leads ---
    path("projects/<str:project>/prompts", prompts.Prompts.as_view(), name="prompts"),
    path(
        "projects/<str:project>/prompts/ask", written_prompts.AskForPrompts.as_view(), name="ask-for-prompts"
    ),
    path("prompts/<str:prompt>", prompts.OnePrompt.as_view(), name="prompt"),
    path("projects/<str:project>/completions", completions.Completions.as_view(), name="completions"),
    path(
        "projects/<str:project>/completions/write", runs.WriteCompletions.as_view(), name="write-completions"
    ),
    path("projects/<str:project>/items", items.Items.as_view(), name="items"),
    path("projects/<str:project>/checks", checks.Checks.as_view(), name="checks"),
    path("checks/<str:item>/active", checks.SetCheckActive.as_view(), name="set-check-active"),
    path("projects/<str:project>/datasets", datasets.Datasets.as_view(), name="datasets"),
    path("datasets/<str:dataset>", datasets.OneDataset.as_view(), name="dataset"),
    path("datasets/<str:dataset>/rows", datasets.DatasetRows.as_view(), name="dataset-rows"),
    path("projects/<str:project>/runs", runs.Runs.as_view(), name="runs"),
    path("runs/<str:run>", runs.OneRun.as_view(), name="run"),
    path("runs/<str:run>/metrics", runs.Metrics.as_view(), name="run-metrics"),
    path("runs/<str:run>/stop", runs.Stop.as_view(), name="stop-run"),
    path("projects/<str:project>/models", models.Models.as_view(), name="models"),
    path("models/<str:model>", models.OneModel.as_view(), name="model"),
    path("projects/<str:project>/rounds", rounds.Rounds.as_view(), name="rounds"),
    path("rounds/<str:round>", rounds.OneRound.as_view(), name="round"),
    path("rounds/<str:round>/stop", rounds.Stop.as_view(), name="stop-round"),
    path("rounds/<str:round>/override", rounds.Override.as_view(), name="override-gate"),
    path("projects/<str:project>/webhooks", webhooks.Webhooks.as_view(), name="webhooks"),
    path("webhooks/<str:webhook>", webhooks.OneWebhook.as_view(), name="webhook"),
    path("webhooks/<str:webhook>/deliveries", webhooks.Deliveries.as_view(), name="deliveries"),
    path("webhooks/<str:webhook>/test", webhooks.SendTest.as_view(), name="test-webhook"),
    path("deliveries/<str:delivery>/again", webhooks.SendAgain.as_view(), name="send-again"),
    path("projects/<str:project>/members", members.Members.as_view(), name="members"),
    path("projects/<str:project>/members/<str:member>", members.OneMember.as_view(), name="member"),
    path(
        "projects/<str:project>/members/<str:member>/active", members.SetActive.as_view(), name="set-active"
    ),
    path("projects/<str:project>/invitations", invitations.Invitations.as_view(), name="invitations"),
    path("invitations/<str:invitation>/revoke", invitations.Revoke.as_view(), name="revoke-invitation"),
]
