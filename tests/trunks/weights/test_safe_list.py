"""What a pickle may name: everything that could run code is refused, and nothing that is accepted does anything."""

import builtins
import io
import pickle
import pickletools
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch._weights_only_unpickler import _get_allowed_globals

from convolens.errors import WeightsError
from convolens.trunks.weights import pickles
from convolens.trunks.weights.pickles import Setting, read_pickled

DANGEROUS = (
    *("os.system", "posix.system", "nt.system", "os.popen", "os.execv", "os.remove", "subprocess.Popen", "pty.spawn"),
    *("subprocess.check_output", "builtins.eval", "builtins.exec", "builtins.compile", "builtins.__import__"),
    *("builtins.getattr", "builtins.setattr", "builtins.open", "builtins.input", "builtins.breakpoint", "io.open"),
    *(
        "builtins.type",
        "builtins.object",
        "builtins.map",
        "builtins.print",
        "importlib.import_module",
        "runpy.run_path",
    ),
    *("functools.partial", "functools.reduce", "operator.attrgetter", "operator.methodcaller", "operator.itemgetter"),
    *("pickle.loads", "_pickle.loads", "marshal.loads", "types.FunctionType", "types.CodeType", "ctypes.CDLL"),
    *("shutil.rmtree", "pathlib.Path.unlink", "socket.socket", "urllib.request.urlopen", "webbrowser.open"),
    *("torch.load", "torch.hub.load", "torch.jit.load", "torch.ops.load_library", "torch.classes.load_library"),
    *("torch.serialization.load", "torch.utils.cpp_extension.load", "torch.nn.modules.linear.Linear", "torch.save"),
    *("numpy.load", "numpy.fromfile", "numpy.core.multiarray.fromfile", "numpy._core.multiarray.frombuffer"),
    *("convolens.load", "convolens.trunks.weights.pickles.read_pickled", "__main__.anything"),
)


def zipped(path, content):
    """A file as torch.save makes it, around a pickle of one's own."""
    stream = io.BytesIO()
    torch.save({}, stream)
    with zipfile.ZipFile(stream) as source, zipfile.ZipFile(path, "w") as archive:
        for name in source.namelist():
            archive.writestr(name, content if name.endswith("data.pkl") else source.read(name))
    return path


def calls(name, opcode):
    """A pickle that calls what is named with one text, in each way that pickles have."""
    module, _, attribute = name.rpartition(".")
    argument = pickle.SHORT_BINUNICODE + bytes([1]) + b"a"
    named = pickle.GLOBAL + f"{module}\n{attribute}\n".encode()
    stacked = b"".join(pickle.SHORT_BINUNICODE + bytes([len(part)]) + part.encode() for part in (module, attribute))
    return pickle.PROTO + b"\x04" + {
        "reduce": named + argument + pickle.TUPLE1 + pickle.REDUCE,
        "stacked": stacked + pickle.STACK_GLOBAL + argument + pickle.TUPLE1 + pickle.REDUCE,
        "newobj": named + argument + pickle.TUPLE1 + pickle.NEWOBJ,
        "newobj_ex": named + argument + pickle.TUPLE1 + pickle.EMPTY_DICT + pickle.NEWOBJ_EX,
        "inst": pickle.MARK + argument + pickle.INST + f"{module}\n{attribute}\n".encode(),
        "obj": pickle.MARK + named + argument + pickle.OBJ,
        "build": named + pickle.EMPTY_DICT + pickle.BUILD,
        "extension": pickle.EXT1 + b"\x01",
    }[opcode] + pickle.STOP  # fmt: skip


OPCODES = ("reduce", "stacked", "newobj", "newobj_ex", "inst", "obj", "build", "extension")


@pytest.mark.parametrize("opcode", OPCODES)
def test_whatever_could_run_code_is_refused_in_every_way_of_naming_it(opcode, tmp_path):
    for name in DANGEROUS:
        content = calls(name, opcode)
        assert [one.name for one, *_ in pickletools.genops(content)][-1] == "STOP"
        with pytest.raises(WeightsError, match=r"need (tensors and plain settings|a PyTorch weights file)"):
            read_pickled(zipped(tmp_path / "a.pth", content))


def test_nothing_that_is_not_on_the_list_is_looked_up(tmp_path, monkeypatch):
    looked_up = []
    plain = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", lambda name, *rest: looked_up.append(name) or plain(name, *rest))
    with pytest.raises(WeightsError):
        read_pickled(zipped(tmp_path / "a.pth", calls("antigravity.fly", "reduce")))
    assert "antigravity" not in looked_up


def test_every_setting_that_is_accepted_is_inert(tmp_path):
    for name in pickles._SETTINGS:
        for opcode in ("reduce", "stacked", "newobj"):
            try:
                found = read_pickled(zipped(tmp_path / "a.pth", calls(name, opcode)))
            except WeightsError:
                continue  # torch refuses some ways for all
            assert type(found) is Setting
            assert not vars(found)


def test_what_torch_itself_accepts_builds_tensors_and_containers_alone():
    """A newer torch that accepts more must be looked at."""
    reviewed = (
        *("torch._utils._rebuild_", "torch._tensor._rebuild_from_type_v2", "torch.storage.", "torch.serialization."),
        *("torch.nn.parameter.", "torch._C._", "collections.OrderedDict", "collections.Counter", "_codecs.encode"),
        *("builtins.set", "builtins.complex", "__builtin__.set", "__builtin__.complex", "builtins.bytearray"),
        *("__builtin__.bytearray", "torch.Size", "torch.Tensor", "torch.device", "torch.cuda.", "torch.distributed."),
    )
    kinds = (torch.dtype, torch.layout, torch.memory_format, torch.qscheme)
    for name, value in _get_allowed_globals().items():
        is_data = isinstance(value, kinds) or (isinstance(value, type) and issubclass(value, torch.Tensor))
        storage = name.startswith("torch.") and name.endswith(("Storage", "Tensor"))
        assert is_data or storage or name.startswith(reviewed), name


def test_several_threads_read_settings_at_once_and_torchs_own_list_stays_as_it_was(tmp_path):
    path, before = tmp_path / "a.pth", list(torch.serialization.get_safe_globals())
    torch.save({"state_dict": {"a": torch.ones(2)}, "rate": np.float64(0.5)}, path)
    with ThreadPoolExecutor(8) as threads:
        for found in threads.map(lambda _: read_pickled(path), range(200)):
            assert found["state_dict"]["a"].sum() == 2
    assert torch.serialization.get_safe_globals() == before
