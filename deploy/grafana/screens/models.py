"""*Models*: which versions make the calls, what do they call, and how fast are they?"""

from typing import Final

from deploy.grafana.screen import PanelRow, Screen, Unit, bars, lines, numbers, table


def _of_calls(counter: str) -> str:
    return f"sum(rate({counter}[$__rate_interval])) / sum(rate(xray_calls_total[$__rate_interval]))"


def _by_label(finding: str) -> tuple[str, str]:
    """Return the share of the calls since the classifier started with this finding, by label."""
    return (
        f'sum by (label) (xray_call_labels_total{{finding="{finding}"}}) / scalar(sum(xray_calls_total))',
        "{{label}}",
    )


def _microseconds(counter: str) -> tuple[str, str]:
    """Return the mean seconds per request to a model version; Triton counts microseconds."""
    spent = f"sum by (model, version) (rate({counter}[$__rate_interval])) / 1e6"
    asked = "sum by (model, version) (rate(nv_inference_request_success[$__rate_interval]))"
    return f"{spent} / {asked}", "{{model}} {{version}}"


_ACTIVE: Final = PanelRow(
    "Active",
    (
        table("Versions that make the calls", "One line per backbone; digests from its model card.", Unit.COUNT,
              ("max by (model, version, training_digest, calibration_digest) (xray_active_model_info)",
               "{{model}} {{version}}"), width=12),
        numbers("Activation", "Every promotion or rollback adds one.", Unit.COUNT,
                ("max(xray_model_activation)", "number")),
        numbers("Uncertain calls", "Share with a label close to its threshold.", Unit.SHARE,
                (_of_calls("xray_calls_uncertain_total"), "share")),
        numbers("Disagreement", "Share with a label on which the backbones differ.", Unit.SHARE,
                (_of_calls("xray_calls_disagreement_total"), "share")),
    ),
)  # fmt: skip

_FINDINGS: Final = PanelRow(
    "Calls",
    (
        bars("Positive", "Share of the calls, by label.", Unit.SHARE, _by_label("positive")),
        bars("Uncertain", "Share of the calls, by label.", Unit.SHARE, _by_label("uncertain")),
        bars("Backbones differ", "Share of the calls, by label.", Unit.SHARE, _by_label("disagreement")),
        lines("Difference at level 1", "Of the backbones' probabilities of abnormal, by quantile of the calls.",
              Unit.SHARE,
              *((f"histogram_quantile({q}, sum by (le) "
                 "(rate(xray_backbone_level1_difference_bucket[$__rate_interval])))", name)
                for q, name in ((0.5, "median"), (0.95, "95 %"))), width=12),
        lines("Uncertain and disagreeing calls", "DisagreementJump: twice the day before, over 10 %.", Unit.SHARE,
              (_of_calls("xray_calls_uncertain_total"), "uncertain"),
              (_of_calls("xray_calls_disagreement_total"), "disagreement"), width=12),
    ),
)  # fmt: skip

_SHADOW: Final = PanelRow(
    "In shadow",
    (
        numbers("Share", "Share of the specimens sent to the candidate; 0 without a candidate.", Unit.SHARE,
                ("max(xray_shadow_share)", "share")),
        numbers("Failing", "1 while the candidate does not answer (ShadowFailing). Calls are not affected.", Unit.COUNT,
                ("max(xray_shadow_failing)", "failing"), limit=1),
        lines("Specimens", "Compared, dropped because the candidate was too slow, or failed.", Unit.PER_SECOND,
              ("sum by (outcome) (rate(xray_shadow_specimens_total[$__rate_interval]))", "{{outcome}}")),
        bars("Decisions that differ from the call", "Specimens since the classifiers started, by label.", Unit.COUNT,
             ("sum by (label) (xray_shadow_differences_total)", "{{label}}")),
    ),
)  # fmt: skip

_TRITON: Final = PanelRow(
    "Triton",
    (
        lines("Inferences", "Tensors per second.", Unit.PER_SECOND,
              ("sum by (model, version) (rate(nv_inference_count[$__rate_interval]))", "{{model}} {{version}}")),
        lines("Time of a request", "Waiting and computing.", Unit.SECONDS,
              _microseconds("nv_inference_request_duration_us")),
        lines("Time in the queue", "Only waiting.", Unit.SECONDS, _microseconds("nv_inference_queue_duration_us")),
        lines("Tensors per execution", "Higher means that more requests are batched.", Unit.COUNT,
              ("sum by (model, version) (rate(nv_inference_count[$__rate_interval]))"
               " / sum by (model, version) (rate(nv_inference_exec_count[$__rate_interval]))",
               "{{model}} {{version}}")),
        lines("Waiting requests", "Requests that wait in Triton for a free instance of the model.", Unit.COUNT,
              ("sum by (model, version) (nv_inference_pending_request_count)", "{{model}} {{version}}")),
        lines("Failed requests", "By model and Triton's reason.", Unit.PER_SECOND,
              ("sum by (model, version, reason) (rate(nv_inference_request_failure[$__rate_interval]))",
               "{{model}} {{version}} {{reason}}")),
    ),
)  # fmt: skip

MODELS: Final = Screen(
    "xray-models",
    "Models",
    "Which versions make the calls, what do they call, and how fast are they?",
    (_ACTIVE, _FINDINGS, _SHADOW, _TRITON),
)
