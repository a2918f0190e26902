# voxgrad. `make help` lists what there is.
GO      ?= go
BIN     := bin/voxgrad
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -X main.version=$(VERSION)
DEMO    ?= demo

.DEFAULT_GOAL := help
.PHONY: help build demo test check lint fuzz bench cover notices clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/voxgrad
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/voxgrad

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

bench: ## benchmarks of the kernels; compare two runs with benchstat
	$(GO) test -run '^$$' -bench . -benchtime 1x -count 5 ./device/cpu

cover: ## coverage as an HTML page, cover.html
	$(GO) test -coverprofile=cover.out ./... && $(GO) tool cover -html=cover.out -o cover.html

notices: ## rewrite THIRD_PARTY.md from the modules the program is linked with
	$(GO) run ./tools/notices > THIRD_PARTY.md.tmp && mv THIRD_PARTY.md.tmp THIRD_PARTY.md

clean: ## remove what the other targets made
	rm -rf bin demo cover.out cover.html
