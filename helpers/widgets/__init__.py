"""Interactive explorers: temperature, the distillation loss, divergences, a draft for speculative decoding.

They compute in the browser; Python holds their state.

    from helpers.widgets import TemperatureExplorer
    explorer = TemperatureExplorer()
    explorer
"""

from helpers.widgets.divergence import DivergenceExplorer
from helpers.widgets.figures import Figures
from helpers.widgets.loss import LossExplorer
from helpers.widgets.presenter import Presenter
from helpers.widgets.speculative import DraftExplorer
from helpers.widgets.temperature import TemperatureExplorer

__all__ = ["DivergenceExplorer", "DraftExplorer", "Figures", "LossExplorer", "Presenter", "TemperatureExplorer"]
