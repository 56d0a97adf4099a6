"""Static files under names that change with their content, so that browsers may keep them for ever."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """The imports between our ES modules are renamed, too: a browser never mixes two versions of them."""

    support_js_module_import_aggregation = True
