# What `import sdprelax` gives, by room; sdprelax/__init__.py imports a room when it is first asked for.
__version__: str

from .base import (
    CertificateError as CertificateError,
    Deadline as Deadline,
    InputError as InputError,
    ProblemTooLarge as ProblemTooLarge,
    SdprelaxError as SdprelaxError,
    SolverFailed as SolverFailed,
    SolverUnavailable as SolverUnavailable,
    UntrustedArithmetic as UntrustedArithmetic,
    one_hot as one_hot,
)
from .certificate import (
    Certificate as Certificate,
    GroupCertificate as GroupCertificate,
    LinearCertificate as LinearCertificate,
    verify as verify,
    verify_group as verify_group,
    verify_linear as verify_linear,
)
from .distillation import (
    OnnxTeacher as OnnxTeacher,
    distill as distill,
)
from .estimators import (
    GatedReLUClassifier as GatedReLUClassifier,
    GatedReLURegressor as GatedReLURegressor,
    NTKClassifier as NTKClassifier,
    NTKRegressor as NTKRegressor,
    ReLUClassifier as ReLUClassifier,
    ReLURegressor as ReLURegressor,
    WedgeClassifier as WedgeClassifier,
    WedgeRegressor as WedgeRegressor,
)
from .exact import (
    GammaMax as GammaMax,
    OptimalSet as OptimalSet,
    gamma_max as gamma_max,
    optimal_set as optimal_set,
    relative_problem as relative_problem,
)
from .laboratory import (
    run as run,
)
from .laboratory.results import (
    LoadedResults as LoadedResults,
    load_results as load_results,
)
from .linear import (
    linear_relaxation as linear_relaxation,
    reduced_rank_regression as reduced_rank_regression,
    white_optimum as white_optimum,
)
from .methods import (
    solve as solve,
)
from .networks import (
    GatedNetwork as GatedNetwork,
    LinearNetwork as LinearNetwork,
    Network as Network,
    Pipeline as Pipeline,
    Predictor as Predictor,
    Preprocessing as Preprocessing,
    ThreeLayerNetwork as ThreeLayerNetwork,
    load_predictor as load_predictor,
    save_predictor as save_predictor,
)
from .problem import (
    KernelPredictor as KernelPredictor,
    Problem as Problem,
    targets_for as targets_for,
)
from .relaxation import (
    RelaxationModel as RelaxationModel,
    certify_dual as certify_dual,
    regularisation_path as regularisation_path,
    relax as relax,
)
from .training import (
    Outcome as Outcome,
)
from .verdict import (
    Verdict as Verdict,
    certify as certify,
)
