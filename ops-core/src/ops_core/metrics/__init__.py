"""What Prometheus is told: what this process counts, and how the installation stands."""

from ops_core.metrics.port import Figures, FiguresStore, QueueFigures
from ops_core.metrics.service import MetricsService
from ops_core.metrics.tally import Tally

__all__ = ["Figures", "FiguresStore", "MetricsService", "QueueFigures", "Tally"]
