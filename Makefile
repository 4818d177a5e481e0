# Tools are run at the versions named here and nowhere else; the go command
# builds them once and keeps the result in its cache.
GOLANGCI_LINT := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GORELEASER    := go run github.com/goreleaser/goreleaser/v2@v2.13.3
GOVULNCHECK   := go run golang.org/x/vuln/cmd/govulncheck@v1.9.0

# The flags of goreleaser.yaml; a test compares the two.
VERSION = $(shell git describe --tags --always --dirty 2>/dev/null)
COMMIT  = $(shell git rev-parse HEAD 2>/dev/null)
DATE    = $(shell git log -1 --format=%cI 2>/dev/null)
RELEASE = -trimpath -ldflags '-s -w -X main.version=$(VERSION:v%=%) -X main.commit=$(COMMIT) -X main.date=$(DATE)'

FUZZTIME  ?= 5000x
BENCHTIME ?= 1s

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: ci
ci: ## everything that a change has to pass, with timings
	@.ci/run

.PHONY: build
build: ## build ./fly-aws for this machine
	CGO_ENABLED=0 go build $(RELEASE) ./cmd/fly-aws

.PHONY: test
test: ## the tests, as the README names them
	go test ./...

.PHONY: pictures
pictures: ## draw the pictures in docs/images anew, from what the program shows
	go test -count=1 -run '^TestPictures$$' ./cmd -update

.PHONY: race
race: ## the tests under the race detector, without the conformance tests
	GORACE=atexit_sleep_ms=0 go test -race -short ./... # or each program run by a test sleeps a second at its end

.PHONY: unprivileged
unprivileged: ## the tests that root skips, as a user without rights
	@.ci/unprivileged

.PHONY: arch
arch: ## the layers of docs/architecture.md: who may import what
	go test -count=1 ./internal/architecture
	$(GOLANGCI_LINT) run --enable-only depguard ./...

.PHONY: conformance
conformance: ## drive the binary against moto and the AWS CLI; fails if they are missing
	FLY_AWS_CONFORMANCE=1 go test -count=1 ./internal/conformance

.PHONY: lint
lint: ## vet, formatting and linters
	go vet ./...
	$(GOLANGCI_LINT) config verify
	$(GOLANGCI_LINT) fmt --diff
	$(GOLANGCI_LINT) run ./...

.PHONY: fmt
fmt: ## format the tree
	$(GOLANGCI_LINT) fmt

.PHONY: mod
mod: ## check that the modules are what go.sum says, and go.mod is tidy
	go mod verify
	go mod tidy -diff

.PHONY: fuzz
fuzz: ## fuzz every target with FUZZTIME inputs
	@.ci/fuzz $(FUZZTIME)

.PHONY: bench
bench: ## run every benchmark for BENCHTIME
	go test -run '^$$' -bench . -benchtime $(BENCHTIME) -benchmem ./...

.PHONY: tools
tools: ## build the linters and the release tool into the cache
	$(GOLANGCI_LINT) version
	$(GORELEASER) --version

.PHONY: release-check
release-check: ## check the release configuration and build every archive, publishing nothing
	$(GORELEASER) check -f goreleaser.yaml
	$(GORELEASER) release -f goreleaser.yaml --snapshot --clean --skip=sign$(if $(shell command -v syft),,$(comma)sbom)

comma := ,

.PHONY: vuln
vuln: ## look for known vulnerabilities; STRICT=1 fails for those of the standard library too
	@.ci/vuln $(GOVULNCHECK)
