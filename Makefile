# The versions of the tools. The go command builds them once and caches the result.
GOLANGCI_LINT := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GORELEASER    := go run github.com/goreleaser/goreleaser/v2@v2.13.3
GOVULNCHECK   := go run golang.org/x/vuln/cmd/govulncheck@v1.9.0

# The same flags as in goreleaser.yaml; a test compares them.
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
ci: ## everything that a change must pass, with timings
	@.ci/run

.PHONY: build
build: ## build ./fly-aws for this machine
	CGO_ENABLED=0 go build $(RELEASE) ./cmd/fly-aws

.PHONY: test
test: ## run the tests
	go test ./...

.PHONY: pictures
pictures: ## redraw the pictures in docs/images from the program's output
	go test -count=1 -run '^TestPictures$$' ./cmd -update

.PHONY: race
race: ## run the tests under the race detector, without the conformance tests
	GORACE=atexit_sleep_ms=0 go test -race -short ./... # else each program that a test runs sleeps for a second on exit

.PHONY: unprivileged
unprivileged: ## run the tests that root skips, as an unprivileged user
	@.ci/unprivileged

.PHONY: arch
arch: ## check the layers of docs/architecture.md
	go test -count=1 ./internal/architecture
	$(GOLANGCI_LINT) run --enable-only depguard ./...

.PHONY: conformance
conformance: ## test the binary with moto and the AWS CLI; fails if they are missing
	FLY_AWS_CONFORMANCE=1 go test -count=1 ./internal/conformance

.PHONY: lint
lint: ## run vet, the formatter's check and the linters
	go vet ./...
	$(GOLANGCI_LINT) config verify
	$(GOLANGCI_LINT) fmt --diff
	$(GOLANGCI_LINT) run ./...

.PHONY: fmt
fmt: ## format the tree
	$(GOLANGCI_LINT) fmt

.PHONY: mod
mod: ## check that the modules match go.sum and go.mod is tidy
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
release-check: ## check the release configuration, and build for each operating system
	$(GORELEASER) check -f goreleaser.yaml
	$(GORELEASER) build -f goreleaser.yaml --snapshot --clean --single-target
	GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 go build $(RELEASE) -o dist/darwin ./cmd/fly-aws
	GOOS=windows GOARCH=amd64 CGO_ENABLED=0 go build $(RELEASE) -o dist/windows.exe ./cmd/fly-aws

# The platforms of goreleaser.yaml's image; a test compares them.
PLATFORMS ?= linux/amd64 linux/arm64
IMAGE     ?= dist/image

.PHONY: image-tree
image-tree: ## build the files of the image for each of PLATFORMS, without docker
	@set -e; for platform in $(PLATFORMS); do \
		GOOS=$${platform%/*} GOARCH=$${platform#*/} CGO_ENABLED=0 \
			go build $(RELEASE) -o $(IMAGE)/context/$$platform/ ./cmd/fly-aws; \
		.ci/image-tree $(IMAGE)/context $$platform $(IMAGE)/$${platform#*/}; \
	done

.PHONY: release-snapshot
release-snapshot: ## build every archive of a release, without the image, publishing nothing
	$(GORELEASER) release -f goreleaser.yaml --snapshot --clean --skip=sign,docker$(if $(shell command -v syft),,$(comma)sbom)

comma := ,

.PHONY: vuln
vuln: ## check for known vulnerabilities; STRICT=1 also fails for the standard library
	@.ci/vuln $(GOVULNCHECK)
