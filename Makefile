# The chores. `make check` is what CI runs; nothing here is needed to use the crates.

.PHONY: check fmt lint test isas no-std docs link bench record fixtures
.PHONY: hot-kernels hot-loops counts counts-record valgrind asan msrv peers peers-rust peers-rtneural
.PHONY: race

check: fmt lint docs test isas no-std link hot-loops counts valgrind msrv

fmt:
	cargo fmt --all --check
	cargo fmt --all --check --manifest-path examples/link-kernels/Cargo.toml

lint:
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy --workspace --all-targets --locked --features benches/peers,benches/system-peers \
		-- -D warnings

docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# `kernels` without the feature std, for a target that has no operating system.
NO_STD = thumbv7em-none-eabihf
no-std:
	cargo clippy --locked -p kernels --no-default-features -- -D warnings
	@test -d $$(rustc --print target-libdir --target $(NO_STD)) \
		|| { echo "no-std skipped: no $(NO_STD), see rustup target add"; exit; }; \
	cargo build --locked -p kernels --no-default-features --target $(NO_STD)

# The test command of the README.
test:
	cargo test --workspace --locked

# Tests walk every instruction set by themselves; these see the doors that take the best one take
# another.
isas:
	! grep -qs avx2 /proc/cpuinfo || KERNELS_ISA=avx2 cargo test --locked $(DOORS)
	KERNELS_ISA=portable cargo test --locked $(DOORS)

# As a part of the whole workspace: another selection would compile everything again.
DOORS = --workspace --lib --test conformance --test programs --test bounded_memory

# `kernels` linked from outside of the workspace.
link:
	cargo run --release --locked --manifest-path examples/link-kernels/Cargo.toml

# A tool that is missing is no failure: what needs it says so and does nothing.
without = ! command -v $(1) >/dev/null && echo "$@ skipped: no $(1) here" ||

# The hot kernels, with symbols that name their types.
HOT_KERNELS = $${CARGO_TARGET_DIR:-target}/v0/release/examples/hot_kernels
hot-kernels:
	RUSTFLAGS="-C symbol-mangling-version=v0" cargo build --release --locked -p kernels \
		--example hot_kernels --target-dir $${CARGO_TARGET_DIR:-target}/v0

# What an iteration of each hot loop executes; fails if a call or a spilled register is in it.
hot-loops: hot-kernels
	@$(call without,objdump) objdump --disassemble --demangle --no-show-raw-insn -M intel \
		$(HOT_KERNELS) | awk -f kernels/hot_loops.awk

# Instructions that the hot kernels execute, against the record; fails if they have become more.
counts: hot-kernels
	@$(call without,valgrind) benches/counts/counts.sh $(HOT_KERNELS)

# The record anew, after a change that is meant or with another compiler.
counts-record: hot-kernels
	benches/counts/counts.sh $(HOT_KERNELS) --record

# Every access of tests that walk all operands, of memory that was never written too. Valgrind has
# no AVX-512: it sees AVX2 and the portable floor. Skipped are those that compare over the same operands once
# more.
valgrind:
	@$(call without,valgrind) cargo test --workspace --locked \
		--config 'target."cfg(all())".runner = "valgrind --quiet --error-exitcode=1"' \
		--test gemm --test activation --test simd --test simd_bundle --test simd_memory -- \
		--skip accuracy --skip agreement --skip matrixmultiply --skip threads --skip instruction_sets

# AddressSanitizer, on all instruction sets: needs a nightly toolchain.
asan:
	RUSTFLAGS=-Zsanitizer=address cargo +nightly test --locked -p kernels --tests \
		--target $$(rustc --print host-tuple)

# The oldest compiler that Cargo.toml promises.
MSRV = $(shell sed -n 's/^rust-version = "\(.*\)".*/\1/p' Cargo.toml)
msrv:
	@cargo +$(MSRV) --version >/dev/null 2>&1 \
		|| { echo "msrv skipped: no toolchain $(MSRV), see rustup toolchain install"; exit; }; \
	cargo +$(MSRV) check --workspace --all-targets --locked

bench:
	cargo bench --workspace --locked

# benches/record anew, with peers: two crates, and OpenBLAS and BLIS if the system has them. Their
# threads would spin while others run.
record:
	OMP_WAIT_POLICY=passive OPENBLAS_THREAD_TIMEOUT=4 \
		cargo run --release --locked -p benches --features peers,system-peers --bin record

# The peers of `harness race`: Python's, 3.3 GB without a library for GPUs, then Rust's, and C++'s if its source
# can be had.
PEERS = $${CARGO_TARGET_DIR:-target}/peers
peers:
	python3 -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --no-deps --requirement harness/peers/requirements.txt
	$(PEERS)/bin/python harness/peers/without_gpu.py
	$(MAKE) peers-rust
	-$(MAKE) peers-rtneural

peers-rust:
	cargo install --locked --path harness/peers/rust --root $(PEERS) --target-dir $(PEERS)-rust

# RTNeural, a header library in C++ that is not packaged: from a folder that has this commit of it with its
# submodules, cloned unless it is there. With xsimd, AVX-512 needs the larger alignment.
RTNEURAL = $(PEERS)/RTNeural
RTNEURAL_AT = 1fb1f075a5d6
peers-rtneural:
	test -d $(RTNEURAL)/modules/xsimd/include || { \
		rm -rf $(PEERS)/RTNeural \
		&& git clone https://github.com/jatinchowdhury18/RTNeural $(PEERS)/RTNeural \
		&& git -C $(PEERS)/RTNeural checkout $(RTNEURAL_AT) \
		&& git -C $(PEERS)/RTNeural submodule update --init; }
	mkdir -p $(PEERS)/bin
	$(call rtneural,eigen,-DRTNEURAL_USE_EIGEN=1 -DRTNEURAL_DEFAULT_ALIGNMENT=32 -I$(RTNEURAL)/modules/Eigen)
	$(call rtneural,xsimd,-DRTNEURAL_USE_XSIMD=1 -DRTNEURAL_DEFAULT_ALIGNMENT=64 -I$(RTNEURAL)/modules/xsimd/include)
rtneural = $(CXX) -std=c++17 -O3 -DNDEBUG -march=native \
	-DRTNEURAL_VERSION='"$(RTNEURAL_AT)"' $(2) -I$(RTNEURAL) -I$(RTNEURAL)/modules/json \
	harness/peers/cpp/rtneural.cpp -o $(PEERS)/bin/race-rtneural-$(1)

# Layers against all peers that are installed; some forty minutes, best on a machine that has nothing
# else to do.
race:
	cargo run --release --locked -p harness -- race --peers $(PEERS) \
		--markdown $(PEERS)/race.md --svg $(PEERS)/race.svg

# What Keras computes: needs Python, see harness/fixtures/README.md.
fixtures:
	cd harness/fixtures && python generate.py
