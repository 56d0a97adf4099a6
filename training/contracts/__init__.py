"""The run folder: everything a training stage reads and writes.

A stage is started as `python -m training.<stage> RUN_DIR`. Its whole world is that folder:

    RUN_DIR/
      config.json       RunConfig, written before the stage starts
      inputs/           datasets and model folders, read-only (often links)
      metrics.jsonl     one JSON object a step: {"step": 3, "total": 400, "time": 12.5, ...}
      checkpoints/      where a killed run goes on from (training/resume.py)
      outputs/          what is published: a model folder, completions.jsonl or report.json,
                        with manifest.json written last
      result.json       RunResult, written after everything else
      error.json        RunError, if the stage could explain why it failed

This package is the only bridge between `labeling` and `training`; it uses the standard library only.
"""

from __future__ import annotations

from training.contracts.folder import (
    CHECKPOINT_KEY,
    CHECKPOINTS,
    CONFIG,
    CONTRACT,
    ERROR,
    EXIT_BAD_INPUT,
    EXIT_DISK_FULL,
    EXIT_OUT_OF_MEMORY,
    INPUTS,
    METRICS,
    OUTPUTS,
    RESULT,
    SERVER_KEY,
    STAGE_INPUTS,
    STRATEGIES,
    Resources,
    RunConfig,
    RunError,
    RunResult,
)
from training.contracts.manifests import (
    MANIFEST,
    sync_folder,
    verify_manifest,
    write_manifest,
)
from training.contracts.rows import (
    TRAINED_ON,
    ComparisonRow,
    CompletionText,
    DemonstrationRow,
    GeneratedRow,
    Message,
    PretrainingRow,
    PromptRow,
    RankingRow,
    Split,
    TaskRow,
    TrainedOn,
)
from training.contracts.settings import (
    SETTINGS,
    STAGES,
    BaseModel,
    DpoSettings,
    EvaluateSettings,
    GenerateSettings,
    PpoSettings,
    RewardSettings,
    Server,
    Settings,
    SftSettings,
    Stage,
    Tuning,
)
from training.contracts.strict import (
    ContractError,
    from_dict,
    read_json,
    read_rows,
    row_bytes,
    write_json,
)

__all__ = [
    "CHECKPOINTS",
    "CHECKPOINT_KEY",
    "CONFIG",
    "CONTRACT",
    "ERROR",
    "EXIT_BAD_INPUT",
    "EXIT_DISK_FULL",
    "EXIT_OUT_OF_MEMORY",
    "INPUTS",
    "MANIFEST",
    "METRICS",
    "OUTPUTS",
    "RESULT",
    "SERVER_KEY",
    "SETTINGS",
    "STAGES",
    "STAGE_INPUTS",
    "STRATEGIES",
    "TRAINED_ON",
    "BaseModel",
    "ComparisonRow",
    "CompletionText",
    "ContractError",
    "DemonstrationRow",
    "DpoSettings",
    "EvaluateSettings",
    "GenerateSettings",
    "GeneratedRow",
    "Message",
    "PpoSettings",
    "PretrainingRow",
    "PromptRow",
    "RankingRow",
    "Resources",
    "RewardSettings",
    "RunConfig",
    "RunError",
    "RunResult",
    "Server",
    "Settings",
    "SftSettings",
    "Split",
    "Stage",
    "TaskRow",
    "TrainedOn",
    "Tuning",
    "from_dict",
    "read_json",
    "read_rows",
    "row_bytes",
    "sync_folder",
    "verify_manifest",
    "write_json",
    "write_manifest",
]
