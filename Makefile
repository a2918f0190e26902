# voxgrad. `make help` lists what there is.
GO      ?= go
BIN     := bin/voxgrad
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -X voxgrad/cmd/voxgrad/internal/cli.release=$(VERSION)
DEMO    ?= demo

# The GPU's driver is compiled in where there are a C compiler and cuda.h; nothing
# of CUDA is linked, so the binary runs without a GPU all the same.
CC       ?= cc
CUDA_INC := -I/usr/local/cuda/include -I/opt/cuda/include
HAS_CUDA := $(shell printf '\043include <cuda.h>\n\043if CUDA_VERSION < 11080\n\043error too old\n\043endif\n' | \
	$(CC) $(CGO_CFLAGS) $(CUDA_INC) -E -x c - >/dev/null 2>&1 && [ "$$($(GO) env GOOS)/$$($(GO) env GOARCH)" = linux/amd64 ] && echo yes)

.DEFAULT_GOAL := help
.PHONY: help build demo demo-train demo-quick test check lint fuzz bench bench-peers gpu gpu-bundle ptx ptx-check predict-table cover notices release has-cuda clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/voxgrad, with CUDA where cuda.h is
	CGO_ENABLED=$(if $(HAS_CUDA),1,0) $(GO) build -trimpath -buildvcs=false $(if $(HAS_CUDA),-tags cuda) -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/voxgrad
	@echo "built $(BIN) $(if $(HAS_CUDA),with CUDA,without CUDA: no C compiler or no cuda.h from 11.8 on)"

# Where no detector is built in, the demo has to train one.
demo: build ## the built-in detector on raw scans of a head made on the spot, into demo/, in under two minutes; without one: demo-train
	$(BIN) demo $(if $(wildcard weights/files/detector*.safetensors),--detector builtin:detector,--overwrite) --out $(DEMO)

demo-train: build ## every stage of training end to end on phantom brains, in under ten minutes, into demo/ (open demo/index.html)
	$(BIN) demo --overwrite --out $(DEMO)

demo-quick: build ## demo-train, smaller, in under three minutes: shows that everything works, not how well
	$(BIN) demo --quick --overwrite --out $(DEMO)

test: ## all tests
	$(GO) test -timeout 40m ./...

check: ## what continuous integration runs: format, vet, lint, tests, the pure-Go twin, races, build
	./tools/check.sh

lint: ## golangci-lint, if it is installed
	golangci-lint run

fuzz: ## every fuzz target for FUZZTIME each (default 20s)
	./tools/fuzz.sh $(or $(FUZZTIME),20s)

bench: build ## ops and training steps against the device's ceilings
	$(BIN) bench
	$(BIN) bench --step segmenter

PEERS ?= bin/peers/bin/python

bin/peers/bin/python:
	python3 -m venv bin/peers && bin/peers/bin/pip install --quiet torch numpy

bench-peers: $(PEERS) ## one training step beside the newest PyTorch's on the same cores (a venv of several GB in bin/peers, or PEERS=PYTHON)
	$(GO) build -o bin/steptime ./tools/steptime
	for model in segmenter detector; do for up in transposed trilinear; do \
		bin/steptime -python $(PEERS) -model $$model -up $$up -json bin/peers-$$model-$$up.json $(BENCH_PEERS) || exit 1; echo; \
	done; done
	for up in transposed trilinear; do bin/steptime -python $(PEERS) -layers -model detector -up $$up -json bin/peers-layers-$$up.json $(BENCH_PEERS) || exit 1; done

gpu: build ## the emulator's suite, gradcheck and benchmarks on a GPU; says why where there is none
	./tools/gpu.sh

gpu-bundle: ## a folder, bin/gpu-bundle, that checks and measures on a GPU where there is no Go
	./tools/gpubundle/build.sh bin/gpu-bundle

ptx: ## compile the CUDA kernels (needs nvcc 11.8)
	$(GO) run ./tools/ptx
	$(GO) run ./tools/ptx -dir cuda/peak
	$(GO) run ./tools/ptx -dir examples/customop
	$(GO) run ./tools/ptx -dir tools/probe

ptx-check: ## prove that the committed PTX is current and assembles for every card
	$(GO) run ./tools/ptx -check -machine cuda/predict/machine.txt
	$(GO) run ./tools/ptx -check -dir cuda/peak
	$(GO) run ./tools/ptx -check -dir examples/customop
	$(GO) run ./tools/ptx -check -dir tools/probe

predict-table: ## count the machine code of the kernels, for predictions (needs ptxas and nvdisasm)
	$(GO) run ./tools/ptx -machine cuda/predict/machine.txt

cover: ## coverage as an HTML page, cover.html
	$(GO) test -coverprofile=cover.out ./... && $(GO) tool cover -html=cover.out -o cover.html

notices: ## rewrite THIRD_PARTY.md from the modules the program is linked with
	$(GO) run ./tools/notices > THIRD_PARTY.md.tmp && mv THIRD_PARTY.md.tmp THIRD_PARTY.md

release: ## the program for every platform, with checksums and notices, into dist/
	./tools/release.sh $(VERSION)

has-cuda:
	@[ "$(HAS_CUDA)" = yes ]

clean: ## remove what the other targets made
	rm -rf bin demo dist cover.out cover.html
