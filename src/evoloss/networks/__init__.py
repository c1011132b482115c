"""Loss networks: candidate losses, a whole population at once."""

from evoloss.networks.base import CHECKED_CLASSES, Form, LossNetwork
from evoloss.networks.description import (
    NETWORKS,
    build_network,
    describe_network,
)
from evoloss.networks.kinds.agreements import BATCH_COUNT, NUMBERS, agreements_of, dense_agreements_of
from evoloss.networks.kinds.balanced import BalancedNetwork
from evoloss.networks.kinds.basis import BasisNetwork
from evoloss.networks.kinds.classwise import ClasswiseForm, ClasswiseNetwork
from evoloss.networks.kinds.concat import ConcatForm, ConcatNetwork
from evoloss.networks.kinds.mixture import MixtureNetwork
from evoloss.networks.kinds.monotone import MonotoneNetwork
from evoloss.networks.kinds.paced import PacedNetwork
from evoloss.networks.kinds.tempered import TemperedForm, TemperedNetwork
from evoloss.networks.lookup import LookupTables, tabulate
from evoloss.networks.mlp import ACTIVATIONS, PopulationMLP
from evoloss.networks.noise_rate import NoiseRate, SensesNoise, noise_rate_of
from evoloss.networks.options import Features, NetworkOptions
from evoloss.networks.slopes import SlopeFunctions, Slopes, SlopesByCount, function_slopes
from evoloss.networks.states import (
    BatchSums,
    RunningState,
    SlopeArgument,
    States,
    TrainingState,
)
from evoloss.networks.table import DEFAULT_GRID, MIN_GRID, LossTable
from evoloss.networks.tempered_terms import TemperedTerms
from evoloss.networks.tempering import Tempering, certainty, certainty_of
from evoloss.networks.terms import (
    LOG_P_FLOOR,
    AffineTerms,
    Context,
    LabelView,
    RowTerms,
    StateArrays,
    StoreState,
    Terms,
)

__all__ = [
    "ACTIVATIONS",
    "BATCH_COUNT",
    "CHECKED_CLASSES",
    "DEFAULT_GRID",
    "LOG_P_FLOOR",
    "MIN_GRID",
    "NETWORKS",
    "NUMBERS",
    "AffineTerms",
    "BalancedNetwork",
    "BasisNetwork",
    "BatchSums",
    "ClasswiseForm",
    "ClasswiseNetwork",
    "ConcatForm",
    "ConcatNetwork",
    "Context",
    "Features",
    "Form",
    "LabelView",
    "LookupTables",
    "LossNetwork",
    "LossTable",
    "MixtureNetwork",
    "MonotoneNetwork",
    "NetworkOptions",
    "NoiseRate",
    "PacedNetwork",
    "PopulationMLP",
    "RowTerms",
    "RunningState",
    "SensesNoise",
    "SlopeArgument",
    "SlopeFunctions",
    "Slopes",
    "SlopesByCount",
    "StateArrays",
    "States",
    "StoreState",
    "TemperedForm",
    "TemperedNetwork",
    "TemperedTerms",
    "Tempering",
    "Terms",
    "TrainingState",
    "agreements_of",
    "build_network",
    "certainty",
    "certainty_of",
    "dense_agreements_of",
    "describe_network",
    "function_slopes",
    "noise_rate_of",
    "tabulate",
]
