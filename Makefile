# The versions of the tools. The go command builds them once and caches the result.
GOLANGCI_LINT := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GORELEASER    := go run github.com/goreleaser/goreleaser/v2@v2.13.3
GOVULNCHECK   := go run golang.org/x/vuln/cmd/govulncheck@v1.9.0
GO_LICENSES   := github.com/google/go-licenses@v1.6.0
ACTIONLINT    := go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

# The same flags as in goreleaser.yaml; a test compares them.
VERSION = $(shell git describe --tags --dirty 2>/dev/null || git describe --always --dirty 2>/dev/null | sed 's/^/0.0.0-/')
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

# Where "make install" puts files, below DESTDIR.
PREFIX ?= /usr/local
BINDIR  = $(DESTDIR)$(PREFIX)/bin
MANDIR  = $(DESTDIR)$(PREFIX)/share/man/man1
BASHDIR = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSHDIR  = $(DESTDIR)$(PREFIX)/share/zsh/site-functions
FISHDIR = $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d

.PHONY: manual
manual: ## write man pages and completion scripts to build
	rm -rf build/man build/completions
	GOOS= GOARCH= go run ./internal/manual -version '$(VERSION:v%=%)' -date '$(DATE)' build

.PHONY: install
install: build manual ## install the program, man pages and completions in PREFIX, below DESTDIR
	install -d '$(BINDIR)' '$(MANDIR)' '$(BASHDIR)' '$(ZSHDIR)' '$(FISHDIR)'
	install -m 755 fly-aws '$(BINDIR)/fly-aws'
	install -m 644 build/man/*.1 '$(MANDIR)'
	install -m 644 build/completions/fly-aws.bash '$(BASHDIR)/fly-aws'
	install -m 644 build/completions/_fly-aws '$(ZSHDIR)/_fly-aws'
	install -m 644 build/completions/fly-aws.fish '$(FISHDIR)/fly-aws.fish'

.PHONY: uninstall
uninstall: ## remove what install installed, with the same PREFIX and DESTDIR
	rm -f '$(BINDIR)/fly-aws' '$(MANDIR)/fly-aws.1' '$(MANDIR)'/fly-aws-*.1 '$(BASHDIR)/fly-aws' '$(ZSHDIR)/_fly-aws' '$(FISHDIR)/fly-aws.fish'

.PHONY: test
test: ## run the tests
	go test ./...

.PHONY: pictures
pictures: ## redraw the pictures in docs/images from the program's output; that of an audit needs chromium
	go test -count=1 -run '^TestPictures' ./cmd -update
	chromium --headless --no-sandbox --hide-scrollbars --disable-gpu --no-first-run --disable-background-networking \
		--window-size=1000,1130 --screenshot=docs/images/audit.png docs/audit.html

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

.PHONY: live
live: ## test with a real AWS account and Fly organization: LIVE='--org SLUG --prefix NAME --region REGION --yes'
	CGO_ENABLED=0 go build $(RELEASE) -o dist/live/ ./cmd/fly-aws
	GOOS=linux GOARCH=amd64 CGO_ENABLED=0 go build $(RELEASE) -o dist/live/linux/ ./cmd/fly-aws
	@.ci/live $(LIVE)

.PHONY: lint
lint: ## run vet, the formatter's check and the linters
	go vet ./...
	$(GOLANGCI_LINT) config verify
	$(GOLANGCI_LINT) fmt --diff
	$(GOLANGCI_LINT) run ./...

.PHONY: actions
actions: ## lint the workflows, those in docs/ci.md, and the shell scripts
	FLY_AWS_ACTIONLINT='$(ACTIONLINT)' go test -count=1 -run '^TestWorkflows$$' ./cmd
	@if command -v shellcheck >/dev/null; then shellcheck $$(grep -lsE '^#!.*sh$$' .ci/* .github/action/*); \
	else echo 'shellcheck is missing: the shell scripts are not checked'; fi

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
	$(ACTIONLINT) -version

build/THIRD_PARTY_NOTICES.txt: go.mod go.sum
	.ci/notices $@ $(GO_LICENSES)

# What the archives and packages have beside the program; goreleaser.yaml makes it first.
.PHONY: release-files
release-files: manual build/THIRD_PARTY_NOTICES.txt ## write what comes with the program to build

.PHONY: release-one
release-one: ## build the archive and the packages of linux/amd64, as a release does
	@mkdir -p build
	sed -E 's/^( +goos:).*/\1 [linux]/; s/^( +goarch:).*/\1 [amd64]/' goreleaser.yaml >build/goreleaser.yaml
	$(WITH_REMOTE) $(GORELEASER) $(SNAPSHOT) -f build/goreleaser.yaml

.PHONY: release-check
release-check: release-one ## check the release configuration and what it makes; build for each operating system
	$(GORELEASER) check -f goreleaser.yaml
	FLY_AWS_TARGETS=linux/amd64 $(TEST_RELEASE)
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

.PHONY: release
release: ## publish the release of a tag; the release workflow runs it
	$(GORELEASER) release -f goreleaser.yaml --clean

.PHONY: release-snapshot
release-snapshot: ## build and test every archive and package of a release, without the image, publishing nothing
	$(WITH_REMOTE) $(GORELEASER) $(SNAPSHOT) -f goreleaser.yaml
	$(TEST_RELEASE)

.PHONY: reproducible
reproducible: ## build the commit twice and compare the files; OF=release-snapshot for those of all systems
	@.ci/reproducible $(or $(OF),release-one)

# goreleaser takes the commit and its date only from a repository with a remote.
WITH_REMOTE = GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=remote.origin.url GIT_CONFIG_VALUE_0=https://github.com/fly-aws/fly-aws
TEST_RELEASE = FLY_AWS_DIST=$(CURDIR)/dist go test -count=1 -run '^TestReleased' ./internal/conformance
# A release on this machine that publishes and signs nothing.
SNAPSHOT = release --snapshot --clean --skip=sign,docker$(if $(shell command -v syft),,$(comma)sbom)
comma := ,

.PHONY: vuln
vuln: ## check for known vulnerabilities; STRICT=1 also fails for the standard library
	@.ci/vuln $(GOVULNCHECK)
