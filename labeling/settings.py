"""All settings, from the environment, in one file.

Variables: DATABASE_URL, REDIS_URL, RANKLOOP_STATE, RANKLOOP_SECRET_KEY, RANKLOOP_HOSTS,
RANKLOOP_ORIGINS, RANKLOOP_HTTPS, RANKLOOP_DEBUG, RANKLOOP_THREADS, RANKLOOP_MODELS, RANKLOOP_RESOURCES,
RANKLOOP_QUEUES, RANKLOOP_ARTIFACTS,
RANKLOOP_KEEP_RUN_FOLDERS_DAYS, RANKLOOP_DISK_WARN_PERCENT, RANKLOOP_DISK_WARN_MB, RANKLOOP_DISK_FLOOR_MB,
DATABASE_PASSWORD, REDIS_PASSWORD. Signing in: RANKLOOP_PROXIES, RANKLOOP_REQUIRE_MFA, RANKLOOP_OIDC,
RANKLOOP_EMAIL_URL, RANKLOOP_EMAIL_FROM. Webhooks: RANKLOOP_WEBHOOKS. Servers that write: RANKLOOP_SERVERS.
NAME_FILE names a file that holds the value of NAME, RANKLOOP_SECRETS a folder of such files (environment.py).
"""

from __future__ import annotations

import json
from pathlib import Path

from csp.constants import NONCE, NONE, SELF

from labeling import environment

ROOT = Path(__file__).resolve().parent.parent
STATE = Path(environment.text("RANKLOOP_STATE") or ROOT / "var").resolve()
ARTIFACTS = Path(environment.text("RANKLOOP_ARTIFACTS") or STATE / "artifacts").resolve()
RUNS = STATE / "runs"

DEBUG = environment.flag("RANKLOOP_DEBUG", False)
SECRET_KEY = environment.secret_key(STATE)
ALLOWED_HOSTS = environment.words("RANKLOOP_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = environment.words("RANKLOOP_ORIGINS", "")

# --- what is installed -----------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.mfa",
    "labeling",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "labeling.middleware.CompressMiddleware",
    "labeling.middleware.HostileInputMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "labeling.middleware.PersonMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "labeling.doors.DoorMiddleware",
]
ROOT_URLCONF = "labeling.urls"
WSGI_APPLICATION = "labeling.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "frontend" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- database and broker ---------------------------------------------------------------------------

DATABASE_URL = environment.text("DATABASE_URL", "postgresql:///rankloop?host=/run/postgresql")
DATABASES = {"default": environment.database(DATABASE_URL)}
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DATABASES["default"]["CONN_MAX_AGE"] = 600
# Only what asks for it is prepared (actions/prepared.py); with None, nothing could be.
DATABASES["default"]["OPTIONS"]["prepare_threshold"] = 5

REDIS_URL = environment.text("REDIS_URL", "redis://127.0.0.1:6379/0")
CELERY_BROKER_URL = environment.broker(REDIS_URL)
CELERY_TASK_IGNORE_RESULT = True
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_DEFAULT_QUEUE = "control"
CELERY_TASK_ROUTES = {"labeling.tasks.execute_run": {"queue": environment.TRAIN_QUEUE}}
CELERY_TIMEZONE = "UTC"
TICK_SECONDS = environment.integer("RANKLOOP_TICK_SECONDS", 5)
# One static tick needs no memory of its own; the default scheduler would keep a pickle.
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"
CELERY_BEAT_SCHEDULE = {
    "tick": {
        "task": "labeling.tasks.tick",
        "schedule": TICK_SECONDS,
        "options": {"expires": 2 * TICK_SECONDS},
    },
    "weekly summaries": {"task": "labeling.tasks.summarise", "schedule": 3600, "options": {"expires": 3600}},
}

# --- training --------------------------------------------------------------------------------------

TRAINING_THREADS = environment.integer("RANKLOOP_THREADS", 0)
RUN_LEASE_SECONDS = environment.integer("RANKLOOP_RUN_LEASE", 60)
# How often a run keeps where it is, to go on from there after a crash or a deploy; 0: after every step.
CHECKPOINT_SECONDS = environment.integer("RANKLOOP_CHECKPOINT_SECONDS", 300)
# Base models that runs and leads may name. The operator adds local folders or hub names as JSON:
# {"small": {"kind": "hub", "name": "organisation/model"}, "ours": {"kind": "folder", "name": "/models/ours"}}
BASE_MODELS = {
    "tiny": {"kind": "tiny", "hidden_size": 64, "layers": 6, "heads": 4},
    "tiny-t5": {"kind": "tiny", "family": "t5", "hidden_size": 64, "layers": 3, "heads": 4},
    **json.loads(environment.text("RANKLOOP_MODELS") or "{}"),
}

# Servers with an OpenAI-compatible API that leads may let write completions, and so send prompts to:
# [{"id": "lab", "name": "Our lab", "url": "https://llm.example.org/v1", "model": "organisation/model"}], the
# key in RANKLOOP_SERVER_KEY_LAB (without one http:// will do). `price_in` and `price_out` are of a million
# tokens in `currency`; `parallel` requests are under way at once (8), `timeout_seconds` (120) each at most.
SERVERS = environment.servers("RANKLOOP_SERVERS")
# With what runs are trained, by the names that leads may choose (docs/devices.md):
# {"two-gpus": {"queue": "gpu", "processes": 2, "strategy": "fsdp"}}
RESOURCES = environment.resources("RANKLOOP_RESOURCES")
# The queues that a train worker with this environment serves; all of them where nothing is said.
ALL_TRAIN_QUEUES = sorted({environment.TRAIN_QUEUE, *(one["queue"] for one in RESOURCES.values())})
TRAIN_QUEUES = environment.choices("RANKLOOP_QUEUES", ALL_TRAIN_QUEUES) or ALL_TRAIN_QUEUES

# --- disk ------------------------------------------------------------------------------------------

KEEP_RUN_FOLDERS_DAYS = environment.integer("RANKLOOP_KEEP_RUN_FOLDERS_DAYS", 14)
# People are warned below the larger of the two; below the floor no run begins.
DISK_WARN_SHARE = environment.integer("RANKLOOP_DISK_WARN_PERCENT", 5) / 100
DISK_WARN_BYTES = environment.integer("RANKLOOP_DISK_WARN_MB", 2000) * 10**6
DISK_FLOOR_BYTES = environment.integer("RANKLOOP_DISK_FLOOR_MB", 500) * 10**6

# --- people ----------------------------------------------------------------------------------------

AUTH_USER_MODEL = "labeling.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
# allauth finds its views by their names, so those keep its own; the addresses are ours (pages/urls.py).
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "account_login"
AUTHENTICATION_BACKENDS = ["labeling.sessions.Backend"]
SESSION_ENGINE = "labeling.sessions"
SESSION_COOKIE_AGE = 14 * 24 * 3600
# Whose word about the client's address is believed (labeling/address.py): addresses and networks.
TRUSTED_PROXIES = environment.networks("RANKLOOP_PROXIES")
REQUIRE_SECOND_FACTOR = environment.choices("RANKLOOP_REQUIRE_MFA", ("lead", "operator"))

ACCOUNT_ADAPTER = "labeling.identity.accounts.Accounts"
# Either may be typed into the one field; what is meant is found by actions/sign_in.py.
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
# Its own limits live in a cache; ours in PostgreSQL (actions/limits.py).
ACCOUNT_RATE_LIMITS = False
ACCOUNT_FORMS = {
    "login": "labeling.identity.forms.SignInForm",
    "reauthenticate": "labeling.identity.forms.PasswordAgainForm",
    "reset_password": "labeling.identity.forms.ForgottenPasswordForm",
    "reset_password_from_key": "labeling.identity.forms.NewPasswordForm",
    "add_email": "labeling.identity.forms.EmailForm",
}

MFA_ADAPTER = "labeling.identity.factors.Factors"
MFA_TOTP_ISSUER = "Rankloop"
MFA_TOTP_TOLERANCE = 1
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_RATE_LIMITS = False
MFA_FORMS = {
    "authenticate": "labeling.identity.forms.CodeForm",
    "reauthenticate": "labeling.identity.forms.CodeAgainForm",
    "activate_totp": "labeling.identity.forms.FirstCodeForm",
}

# Providers of OpenID Connect: [{"id": "lab", "name": "Our lab", "server_url": "https://id.example.org",
# "client_id": "…"}], the secret in RANKLOOP_OIDC_SECRET_LAB. `trusted`: the provider's verified e-mail
# addresses are believed, so that they find accounts; `open`: everybody there may come in, uninvited.
OIDC = environment.providers("RANKLOOP_OIDC")
SOCIALACCOUNT_ADAPTER = "labeling.identity.providers.Providers"
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {"provider_class": "labeling.identity.oidc.Provider", "OAUTH_PKCE_ENABLED": True}
}

# Without an address of a mail server nothing is sent, and the pages say whom to ask instead.
EMAIL = environment.email("RANKLOOP_EMAIL_URL")
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if EMAIL else 'dummy'}.EmailBackend"
EMAIL_TIMEOUT = 20
EMAIL_HOST = EMAIL.get("EMAIL_HOST", "")
EMAIL_PORT = EMAIL.get("EMAIL_PORT", 25)
EMAIL_HOST_USER = EMAIL.get("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = EMAIL.get("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_SSL = EMAIL.get("EMAIL_USE_SSL", False)
EMAIL_USE_TLS = EMAIL.get("EMAIL_USE_TLS", False)
DEFAULT_FROM_EMAIL = EMAIL.get("DEFAULT_FROM_EMAIL", "")

# --- webhooks --------------------------------------------------------------------------------------

# Who may be told what happens in a project: [{"id": "lab", "name": "Our lab", "url": "https://…"}], the
# secret that signs it in RANKLOOP_WEBHOOK_SECRET_LAB. Leads choose among these and can name no other address.
WEBHOOKS = environment.receivers("RANKLOOP_WEBHOOKS")

# --- cookies and languages -------------------------------------------------------------------------

# Cookies do not see ports: two installations on one machine would sign each other out.
SESSION_COOKIE_NAME = environment.text("RANKLOOP_COOKIE", "rankloop") + "_session"
CSRF_COOKIE_NAME = environment.text("RANKLOOP_COOKIE", "rankloop") + "_csrf"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [ROOT / "frontend" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- HTTP ------------------------------------------------------------------------------------------

HTTPS = environment.flag("RANKLOOP_HTTPS", False)
SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 31536000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
# A rubric of 62 flags with all their use cases.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    },
}

STATIC_URL = "/static/"
STATIC_ROOT = STATE / "static"
STATICFILES_DIRS = [ROOT / "frontend" / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "labeling.static_files.StaticFiles"
    },
}
WHITENOISE_USE_FINDERS = DEBUG
# Other sites have no business with them; a header in each file would let them.
WHITENOISE_ALLOW_ALL_ORIGINS = False

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "labeling.api.entrance.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["labeling.api.entrance.MayEnter"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "labeling.api.schema.Described",
    "EXCEPTION_HANDLER": "labeling.api.errors.answer",
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Rankloop",
    "DESCRIPTION": "Prompts, completions, demonstrations, rankings, datasets, runs, models and rounds.",
    "VERSION": "0.1.0",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api",
    "POSTPROCESSING_HOOKS": [],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
}
