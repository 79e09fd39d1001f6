# The chores. `make check` is what CI runs; nothing here is needed to use the crates.

.PHONY: check fmt lint test isas docs link bench fixtures

check: fmt lint docs test isas link

fmt:
	cargo fmt --all --check
	cargo fmt --all --check --manifest-path examples/link-kernels/Cargo.toml

lint:
	cargo clippy --workspace --all-targets --locked -- -D warnings

docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# The test command of the README.
test:
	cargo test --workspace --locked

# Tests walk every instruction set by themselves; these see the doors that take the best one take
# another.
isas:
	! grep -qs avx2 /proc/cpuinfo || KERNELS_ISA=avx2 cargo test --locked $(DOORS)
	KERNELS_ISA=portable cargo test --locked $(DOORS)

# As a part of the whole workspace: another selection would compile everything again.
DOORS = --workspace --test conformance --test programs

# `kernels` linked from outside of the workspace.
link:
	cargo run --release --locked --manifest-path examples/link-kernels/Cargo.toml

bench:
	cargo bench --workspace --locked

# What Keras computes: needs Python, see harness/fixtures/README.md.
fixtures:
	cd harness/fixtures && python generate.py
