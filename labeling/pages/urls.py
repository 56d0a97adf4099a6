"""The addresses of the pages."""

from __future__ import annotations

from django.urls import path, re_path

from labeling.pages import (
    account,
    api_docs,
    dashboard,
    datasets,
    demonstrate,
    guidelines,
    health,
    home,
    invitations,
    members,
    people,
    rank,
    returns,
    review,
    rounds,
    runs,
    tokens,
    webhooks,
)

urlpatterns = [
    path("", home.home, name="home"),
    path("health/", health.health, name="health"),
    path("preferences/", people.set_preferences, name="set-preferences"),
    # --- coming in: of allauth's views only these, under the names that it looks for ---
    path("sign-in/", people.SignIn.as_view(), name="account_login"),
    path("sign-in/code/", people.SecondStep.as_view(), name="mfa_authenticate"),
    path("sign-in/with/<str:provider_id>/", people.to_provider, name="openid_connect_login"),
    path("sign-in/with/<str:provider_id>/back/", people.from_provider, name="openid_connect_callback"),
    path("sign-out/", people.SignOut.as_view(), name="account_logout"),
    path("join/<str:link>/", invitations.join, name="join"),
    path("password/forgotten/", account.ForgottenPassword.as_view(), name="account_reset_password"),
    path("password/sent/", account.ForgottenPasswordSent.as_view(), name="account_reset_password_done"),
    re_path(
        r"^password/new/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>[-0-9A-Za-z]+)/$",
        account.NewPassword.as_view(),
        name="account_reset_password_from_key",
    ),
    # --- one's own account ---
    path("account/", account.show, name="account"),
    path("account/password/", people.change_password, name="change-password"),
    path("account/again/", account.PasswordAgain.as_view(), name="account_reauthenticate"),
    path("account/again/code/", account.CodeAgain.as_view(), name="mfa_reauthenticate"),
    path("account/second-factor/", account.SecondFactorOn.as_view(), name="mfa_activate_totp"),
    path("account/second-factor/off/", account.SecondFactorOff.as_view(), name="mfa_deactivate_totp"),
    path("account/recovery-codes/", account.RecoveryCodes.as_view(), name="mfa_view_recovery_codes"),
    path(
        "account/recovery-codes/new/", account.NewRecoveryCodes.as_view(), name="mfa_generate_recovery_codes"
    ),
    path("account/email/", account.Email.as_view(), name="account_email"),
    path("account/email/<str:key>/", account.ConfirmEmail.as_view(), name="account_confirm_email"),
    path("account/sessions/end", account.end_sessions, name="end-sessions"),
    path("account/providers/<str:provider_id>/unlink", account.unlink, name="unlink-provider"),
    path("account/tokens/", tokens.index, name="tokens"),
    path("account/tokens/<str:token>/revoke", tokens.revoke, name="revoke-token"),
    path("api/docs", api_docs.api_docs, name="api-docs"),
    # --- labelers' work ---
    path("p/<str:project>/rank/", rank.rank, name="rank"),
    path("p/<str:project>/demonstrate/", demonstrate.demonstrate, name="demonstrate"),
    path("p/<str:project>/guidelines/", guidelines.guidelines, name="guidelines"),
    path("p/<str:project>/sent-back/", returns.sent_back, name="sent-back"),
    path("returns/<str:returned>/reply", returns.reply, name="reply"),
    # --- reviewers' work ---
    path("p/<str:project>/review/", review.review, name="review"),
    path("p/<str:project>/review/came-back/", returns.came_back, name="came-back"),
    path("returns/<str:returned>/close", returns.close, name="close-return"),
    # --- leads' pages ---
    path("p/<str:project>/", dashboard.dashboard, name="dashboard"),
    path("p/<str:project>/runs/", runs.index, name="runs"),
    path("p/<str:project>/runs/write", runs.write, name="write-completions"),
    path("p/<str:project>/datasets/", datasets.index, name="datasets"),
    path("p/<str:project>/rounds/", rounds.index, name="rounds"),
    path("p/<str:project>/people/", members.index, name="people"),
    path("p/<str:project>/people/invite", members.invite, name="invite"),
    path("p/<str:project>/people/<str:member>/", members.member, name="member"),
    path("p/<str:project>/people/<str:member>/active", members.set_active, name="set-active"),
    path("invitations/<str:invitation>/revoke", members.revoke, name="revoke-invitation"),
    path("p/<str:project>/webhooks/", webhooks.index, name="webhooks"),
    path("p/<str:project>/webhooks/subscribe", webhooks.subscribe, name="subscribe"),
    path("webhooks/<str:webhook>/active", webhooks.set_active, name="set-webhook-active"),
    path("webhooks/<str:webhook>/test", webhooks.send_test, name="test-webhook"),
    path("deliveries/<str:delivery>/again", webhooks.send_again, name="send-again"),
    path("p/<str:project>/freeze", datasets.freeze, name="freeze"),
    path("p/<str:project>/round", rounds.start, name="start-round"),
    path("runs/<str:run>/", runs.show, name="run"),
    path("runs/<str:run>/stop", runs.stop, name="stop-run"),
    path("datasets/<str:dataset>/", datasets.show, name="dataset"),
    path("datasets/<str:dataset>/download", datasets.download, name="download-dataset"),
    path("rounds/<str:round>/", rounds.show, name="round"),
    path("rounds/<str:round>/stop", rounds.stop, name="stop-round"),
    path("rounds/<str:round>/override", rounds.override, name="override-gate"),
]
