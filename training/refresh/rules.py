"""The rules of the gate. Imports neither torch nor scikit-learn, so that the command can show the defaults quickly."""

from pydantic import BaseModel, ConfigDict, Field


class GateRules(BaseModel):
    """What a candidate must prove on the evaluation set.

    No level's mean AUC may be worse by `auc_margin` or more, and level 1's sensitivity not by `sensitivity_margin`;
    both are judged by the lower bound of the paired difference. The gate needs at least `least_specimens` with a known
    level 1, of which `least_abnormal` are abnormal and as many normal. With `trust_labels`, labels pass that contradict
    the models that serve.
    """

    model_config = ConfigDict(frozen=True)

    auc_margin: float = Field(default=0.01, ge=0, le=0.5)
    sensitivity_margin: float = Field(default=0.03, ge=0, le=0.5)
    least_specimens: int = Field(default=100, ge=2)
    least_abnormal: int = Field(default=20, ge=1)
    trust_labels: bool = False
