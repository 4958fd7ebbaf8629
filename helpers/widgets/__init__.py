"""Interactive explorers: temperature, the distillation loss, divergences.

They compute in the browser; Python holds their state.

    from helpers.widgets import TemperatureExplorer
    explorer = TemperatureExplorer()
    explorer
"""

from helpers.widgets.divergence import DivergenceExplorer
from helpers.widgets.loss import LossExplorer
from helpers.widgets.presenter import Presenter
from helpers.widgets.temperature import TemperatureExplorer

__all__ = ["DivergenceExplorer", "LossExplorer", "Presenter", "TemperatureExplorer"]
