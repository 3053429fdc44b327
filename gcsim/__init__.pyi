# The public names: __init__.py tells what is imported late, _types.pyi has the types.

from typing import Any, Final

from gcsim import lab as lab
from gcsim import learn as learn
from gcsim import litmus as litmus
from gcsim import lowlevel as lowlevel
from gcsim._allocators import (
    ArenaBytes as ArenaBytes,
)
from gcsim._allocators import (
    BatchAllocator as BatchAllocator,
)
from gcsim._allocators import (
    MemoryPool as MemoryPool,
)
from gcsim._allocators import (
    ObjectPool as ObjectPool,
)
from gcsim._allocators import (
    next_power_of_2 as next_power_of_2,
)
from gcsim._boxes import boxing as boxing
from gcsim._boxes import captured_by_value as captured_by_value
from gcsim._breakdown import (
    Breakdown as Breakdown,
)
from gcsim._builders import (
    Buffer as Buffer,
)
from gcsim._builders import (
    Builder as Builder,
)
from gcsim._core import (
    Array as Array,
)
from gcsim._core import (
    Batch as Batch,
)
from gcsim._core import (
    Box as Box,
)
from gcsim._core import (
    Cleanup as Cleanup,
)
from gcsim._core import (
    Frame as Frame,
)
from gcsim._core import (
    Func as Func,
)
from gcsim._core import (
    Goroutine as Goroutine,
)
from gcsim._core import (
    Heap as Heap,
)
from gcsim._core import (
    Ref as Ref,
)
from gcsim._core import (
    Slice as Slice,
)
from gcsim._core import (
    Weak as Weak,
)
from gcsim._core import (
    address as address,
)
from gcsim._core import (
    build_info as build_info,
)
from gcsim._core import (
    heapof as heapof,
)
from gcsim._core import (
    typeof as typeof,
)
from gcsim._detectors import (
    GoroutineDetector as GoroutineDetector,
)
from gcsim._detectors import (
    LeakDetector as LeakDetector,
)
from gcsim._detectors import (
    LeakReport as LeakReport,
)
from gcsim._detectors import (
    LeakSuspect as LeakSuspect,
)
from gcsim._detectors import (
    SnapshotDetector as SnapshotDetector,
)
from gcsim._detectors import (
    compare_snapshots as compare_snapshots,
)
from gcsim._dump import (
    open_go_dump as open_go_dump,
)
from gcsim._eras import (
    Era as Era,
)
from gcsim._eras import (
    eras as eras,
)
from gcsim._errors import (
    AddressError as AddressError,
)
from gcsim._errors import (
    BenchFormatError as BenchFormatError,
)
from gcsim._errors import (
    BoundsError as BoundsError,
)
from gcsim._errors import (
    ClosedHeapError as ClosedHeapError,
)
from gcsim._errors import (
    CompileError as CompileError,
)
from gcsim._errors import (
    CompilerNotFoundError as CompilerNotFoundError,
)
from gcsim._errors import (
    ConversionError as ConversionError,
)
from gcsim._errors import (
    DeadlockError as DeadlockError,
)
from gcsim._errors import (
    DumpFormatError as DumpFormatError,
)
from gcsim._errors import (
    Error as Error,
)
from gcsim._errors import (
    FieldError as FieldError,
)
from gcsim._errors import (
    ForkedHeapError as ForkedHeapError,
)
from gcsim._errors import (
    GoSourceError as GoSourceError,
)
from gcsim._errors import (
    HeapMemoryError as HeapMemoryError,
)
from gcsim._errors import (
    LostObjectError as LostObjectError,
)
from gcsim._errors import (
    MappingError as MappingError,
)
from gcsim._errors import (
    MissingKeyError as MissingKeyError,
)
from gcsim._errors import (
    NotThereYetError as NotThereYetError,
)
from gcsim._errors import (
    OptionError as OptionError,
)
from gcsim._errors import (
    PanicError as PanicError,
)
from gcsim._errors import (
    PlacementError as PlacementError,
)
from gcsim._errors import (
    ProfileFormatError as ProfileFormatError,
)
from gcsim._errors import (
    ProgramError as ProgramError,
)
from gcsim._errors import (
    RangeError as RangeError,
)
from gcsim._errors import (
    StaleReferenceError as StaleReferenceError,
)
from gcsim._errors import (
    StateError as StateError,
)
from gcsim._errors import (
    ThreadError as ThreadError,
)
from gcsim._errors import (
    TraceFormatError as TraceFormatError,
)
from gcsim._errors import (
    TypeDefinitionError as TypeDefinitionError,
)
from gcsim._errors import (
    UnknownNameError as UnknownNameError,
)
from gcsim._errors import (
    UnsupportedDumpError as UnsupportedDumpError,
)
from gcsim._errors import (
    UseAfterResetError as UseAfterResetError,
)
from gcsim._errors import (
    WorkloadError as WorkloadError,
)
from gcsim._errors import (
    WrongHeapError as WrongHeapError,
)
from gcsim._escape.cost import (
    EscapeCost as EscapeCost,
)
from gcsim._escape.cost import (
    EscapeSide as EscapeSide,
)
from gcsim._escape.cost import (
    EscapeValue as EscapeValue,
)
from gcsim._escape.picture import (
    EscapeGraph as EscapeGraph,
)
from gcsim._escape.result import (
    Escape as Escape,
)
from gcsim._escape.result import (
    EscapeDiagnostic as EscapeDiagnostic,
)
from gcsim._escape.result import (
    EscapeLeak as EscapeLeak,
)
from gcsim._escape.result import (
    EscapeStep as EscapeStep,
)
from gcsim._escape.result import (
    EscapeVerdict as EscapeVerdict,
)
from gcsim._escape.result import (
    escape as escape,
)
from gcsim._events import (
    Events as Events,
)
from gcsim._explore import (
    Exploration as Exploration,
)
from gcsim._explore import (
    explore as explore,
)
from gcsim._film import (
    Film as Film,
)
from gcsim._fragmentation import (
    Fragmentation as Fragmentation,
)
from gcsim._gctrace import (
    GCTrace as GCTrace,
)
from gcsim._gctrace import (
    TraceCycle as TraceCycle,
)
from gcsim._gctrace import (
    follow_gctrace as follow_gctrace,
)
from gcsim._gctrace import (
    read_gctrace as read_gctrace,
)
from gcsim._goroutines import (
    Channel as Channel,
)
from gcsim._goroutines import (
    Cond as Cond,
)
from gcsim._goroutines import GoroutineStack as GoroutineStack
from gcsim._goroutines import (
    LeakedGoroutine as LeakedGoroutine,
)
from gcsim._goroutines import (
    Mutex as Mutex,
)
from gcsim._goroutines import (
    Receive as Receive,
)
from gcsim._goroutines import (
    Received as Received,
)
from gcsim._goroutines import (
    RWMutex as RWMutex,
)
from gcsim._goroutines import (
    Selected as Selected,
)
from gcsim._goroutines import (
    Send as Send,
)
from gcsim._goroutines import (
    Timer as Timer,
)
from gcsim._goroutines import (
    WaitGroup as WaitGroup,
)
from gcsim._graph import (
    HeapGraph as HeapGraph,
)
from gcsim._graph import (
    open_graph as open_graph,
)
from gcsim._handles import (
    Handle as Handle,
)
from gcsim._heap_files import (
    read_snapshot as read_snapshot,
)
from gcsim._layout import (
    FieldLayout as FieldLayout,
)
from gcsim._layout import (
    Layout as Layout,
)
from gcsim._layout import (
    SizeClass as SizeClass,
)
from gcsim._layout import (
    alignof as alignof,
)
from gcsim._layout import (
    layout as layout,
)
from gcsim._layout import (
    offsetof as offsetof,
)
from gcsim._layout import (
    size_class as size_class,
)
from gcsim._layout import (
    sizeof as sizeof,
)
from gcsim._leaks import (
    LEAKS as LEAKS,
)
from gcsim._leaks import (
    Leak as Leak,
)
from gcsim._mapped import (
    MappedFile as MappedFile,
)
from gcsim._maps import Map as Map
from gcsim._metrics import (
    Histogram as Histogram,
)
from gcsim._metrics import (
    Metrics as Metrics,
)
from gcsim._placement import (
    HugePages as HugePages,
)
from gcsim._placement import (
    Placement as Placement,
)
from gcsim._pools import (
    Pool as Pool,
)
from gcsim._pools import (
    PoolCounts as PoolCounts,
)
from gcsim._pprof import (
    Profile as Profile,
)
from gcsim._pprof import (
    read_pprof as read_pprof,
)
from gcsim._programs import (
    PROGRAMS as PROGRAMS,
)
from gcsim._programs import (
    Program as Program,
)
from gcsim._programs import (
    Stage as Stage,
)
from gcsim._results import (
    Cycle as Cycle,
)
from gcsim._results import (
    Event as Event,
)
from gcsim._results import (
    GCStats as GCStats,
)
from gcsim._results import (
    MemStats as MemStats,
)
from gcsim._results import (
    ObjectInfo as ObjectInfo,
)
from gcsim._results import (
    SpanInfo as SpanInfo,
)
from gcsim._serve import (
    Server as Server,
)
from gcsim._serve import (
    serve as serve,
)
from gcsim._snapshot import (
    Snapshot as Snapshot,
)
from gcsim._steps import (
    SteppedCycle as SteppedCycle,
)
from gcsim._struct import (
    struct as struct,
)
from gcsim._timeline import (
    Timeline as Timeline,
)
from gcsim._trackers import (
    MemoryGrowth as MemoryGrowth,
)
from gcsim._trackers import (
    MemoryMonitor as MemoryMonitor,
)
from gcsim._trackers import (
    MemoryNotice as MemoryNotice,
)
from gcsim._trackers import (
    MemorySample as MemorySample,
)
from gcsim._trackers import (
    MemoryTracker as MemoryTracker,
)
from gcsim._trackers import (
    ProfileEvery as ProfileEvery,
)
from gcsim._types import (
    TypeInfo as TypeInfo,
)
from gcsim._types import (
    array as array,
)
from gcsim._types import (
    bool_ as bool_,
)
from gcsim._types import (
    c64 as c64,
)
from gcsim._types import (
    c128 as c128,
)
from gcsim._types import (
    chan as chan,
)
from gcsim._types import (
    f32 as f32,
)
from gcsim._types import (
    f64 as f64,
)
from gcsim._types import (
    func_ as func_,
)
from gcsim._types import (
    i8 as i8,
)
from gcsim._types import (
    i16 as i16,
)
from gcsim._types import (
    i32 as i32,
)
from gcsim._types import (
    i64 as i64,
)
from gcsim._types import (
    iface as iface,
)
from gcsim._types import (
    map_ as map_,
)
from gcsim._types import (
    ptr as ptr,
)
from gcsim._types import (
    slice_ as slice_,
)
from gcsim._types import (
    string as string,
)
from gcsim._types import (
    u8 as u8,
)
from gcsim._types import (
    u16 as u16,
)
from gcsim._types import (
    u32 as u32,
)
from gcsim._types import (
    u64 as u64,
)
from gcsim._types import (
    uintptr as uintptr,
)
from gcsim._view import (
    View as View,
)
from gcsim._workload import (
    Workload as Workload,
)
from gcsim._workload import (
    WorkloadResult as WorkloadResult,
)
from gcsim._workload import (
    workload as workload,
)
from gcsim._workload import (
    workloads as workloads,
)

__version__: Final[str]

def get_include() -> str: ...
def __dir__() -> list[str]: ...

# What the design has and this version has not: raises NotThereYetError.
def open_snapshot(path: Any, /) -> Any: ...
