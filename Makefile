# voxgrad. `make help` lists what there is.
GO      ?= go
BIN     := bin/voxgrad
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -X main.version=$(VERSION)
DEMO    ?= demo

# The GPU's driver is compiled in where there are a C compiler and cuda.h; nothing
# of CUDA is linked, so the binary runs without a GPU all the same.
CUDA_H  := $(firstword $(wildcard /usr/include/cuda.h /usr/local/cuda/include/cuda.h /opt/cuda/include/cuda.h))
HAVE_CC := $(shell command -v $${CC:-cc} 2>/dev/null)
ifneq ($(and $(CUDA_H),$(HAVE_CC),$(filter Linux,$(shell uname -s)),$(filter x86_64,$(shell uname -m))),)
TAGS    := -tags cuda
BUILD   := with CUDA ($(CUDA_H))
export CGO_ENABLED := 1
else
TAGS    :=
BUILD   := without CUDA (no C compiler or no cuda.h)
endif

.DEFAULT_GOAL := help
.PHONY: help build demo test check lint fuzz bench gpu ptx ptx-check cover notices clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/voxgrad, with CUDA where cuda.h is
	$(GO) build -trimpath $(TAGS) -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/voxgrad
	@echo "built $(BIN) $(BUILD)"

demo: build ## the main job, end to end on phantom brains, into demo/ (open demo/index.html)
	$(BIN) demo --out $(DEMO)

test: ## all tests
	$(GO) test ./...

check: ## what continuous integration runs: format, vet, lint, tests, the pure-Go twin, races, build
	./tools/check.sh

lint: ## golangci-lint, if it is installed
	golangci-lint run

fuzz: ## every fuzz target for FUZZTIME each (default 20s)
	./tools/fuzz.sh $(or $(FUZZTIME),20s)

bench: build ## ops and training steps against the device's ceilings
	$(BIN) bench
	$(BIN) bench --step segmenter

gpu: build ## the conformance table, networks and benchmarks on a GPU; says why where there is none
	./tools/gpu.sh

ptx: ## compile the CUDA kernels (needs nvcc 11.8)
	$(GO) run ./tools/ptx
	$(GO) run ./tools/ptx -dir cuda/ceiling

ptx-check: ## prove that the committed PTX is current and assembles for every card
	$(GO) run ./tools/ptx -check
	$(GO) run ./tools/ptx -check -dir cuda/ceiling

cover: ## coverage as an HTML page, cover.html
	$(GO) test -coverprofile=cover.out ./... && $(GO) tool cover -html=cover.out -o cover.html

notices: ## rewrite THIRD_PARTY.md from the modules the program is linked with
	$(GO) run ./tools/notices > THIRD_PARTY.md.tmp && mv THIRD_PARTY.md.tmp THIRD_PARTY.md

clean: ## remove what the other targets made
	rm -rf bin demo cover.out cover.html
