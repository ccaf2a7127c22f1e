# PartnerPulse: `make run` starts everything on this machine, `make test` tests it.
# Both install what they need, pinned, once, outside of the repository.
export CGO_ENABLED ?= 0

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

CACHE := $(or $(PARTNERPULSE_CACHE_DIR),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/partnerpulse)
GOLANGCI_VERSION := v2.15.0
GOLANGCI := $(CACHE)/tools/golangci-lint-$(GOLANGCI_VERSION)/golangci-lint
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: deps build ## Start everything here with a simulated programme; ARGS="--data-dir DIR" and the like
	@bin/partnerpulse up --demo $(ARGS)

build: ## Build bin/partnerpulse
	@scripts/require go
	@go build -trimpath -ldflags '$(LDFLAGS)' -o bin/partnerpulse ./cmd/partnerpulse

deps: ## Install the embedded ClickHouse engine into the cache
	@scripts/require go npm
	@scripts/libchdb/install.sh >/dev/null

test-deps: deps ## Install what only tests need: Chromium, Apache Kafka's jars
	@scripts/chromium/install.sh
	@scripts/kafka/install.sh >/dev/null || [ "$${REQUIRE_SERVICES:-}" != 1 ]

test: test-deps build ## Unit, property, integration and browser tests
	@go vet ./...
	@go test -timeout 14m -p 2 ./...
	@go test -tags faultpoints ./internal/fault

race: deps ## The tests of what runs concurrently, under the race detector (needs cgo)
	@CGO_ENABLED=1 go test -race -timeout 20m -short ./internal/...

lint: $(GOLANGCI) ## Static checks
	@$(GOLANGCI) run ./...

$(GOLANGCI):
	@echo "installing golangci-lint $(GOLANGCI_VERSION) (once, some minutes)"
	@mkdir -p $(@D)
	@GOBIN=$(@D) GOFLAGS=-mod=mod go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

fuzz: deps ## Fuzz every decoder; FUZZTIME=5m for each
	@scripts/fuzz $(or $(FUZZTIME),20s)

crash: deps build ## kill -9 during 100,000 events, then count
	@go test -count=1 -timeout 30m -run TestKillNine -v ./internal/e2e -crash.events=$(or $(EVENTS),100000)

CHAOS_RUN = go test -c -o bin/chaos.test ./internal/chaos && cd internal/chaos && ../../bin/chaos.test -test.v -test.timeout 12h

chaos: deps ## Break everything under load, then compare every row: DURATION=12m EVENTS=6000000 KILLS=50 SEED= BROKER=embedded|apache JSON=FILE
	@$(CHAOS_RUN) -test.run '^TestChaos$$' -chaos.duration=$(or $(DURATION),12m) -chaos.events=$(or $(EVENTS),6000000) \
		-chaos.kills=$(or $(KILLS),50) -chaos.partners=$(or $(PARTNERS),500) -chaos.days=$(or $(DAYS),60) -chaos.enrichers=$(or $(ENRICHERS),3) -chaos.aggregators=$(or $(AGGREGATORS),2) \
		-chaos.seed=$(or $(SEED),0) -chaos.broker=$(or $(BROKER),embedded) -chaos.json=$(abspath $(or $(JSON),bin/chaos.json))

soak: deps ## Steady load; memory, goroutines and descriptors must not grow: DURATION=30m RATE=1500
	@$(CHAOS_RUN) -test.run '^TestSoak$$' -soak.duration=$(or $(DURATION),30m) -soak.rate=$(or $(RATE),1500)

bench: deps build ## Measure every part against its floor (about half an hour); BENCH="enricher e2e" for some, OUT=DIR for the reports
	@mkdir -p $(or $(OUT),bin/bench)
	@for part in $(or $(BENCH),collector enricher backlog aggregator e2e); do \
		echo "$$part: $(or $(OUT),bin/bench)/$$part.json"; \
		bin/partnerpulse bench $$part --json >$(or $(OUT),bin/bench)/$$part.json; \
	done

compose-check: ## Check docker-compose.yml (needs the docker compose plugin, no engine)
	@docker compose -f docker-compose.yml config --quiet

clean: ## Remove what was built
	@rm -rf bin

.PHONY: help run build deps test-deps test race lint fuzz crash chaos soak bench compose-check clean
