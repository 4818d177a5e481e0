# The image is the program and nothing else: copy it into an image of your own, as
# docs/machine.md shows, or run it as it is. goreleaser builds it; .ci/image-tree makes the
# same files without docker, and knows only the instructions that are here.
#
# There is no USER: in a Fly Machine the socket /.fly/api belongs to root.
FROM scratch
ARG TARGETPLATFORM
LABEL org.opencontainers.image.title="fly-aws"
LABEL org.opencontainers.image.description="Gives Fly.io Machines access to AWS without access keys"
LABEL org.opencontainers.image.source="https://github.com/fly-aws/fly-aws"
LABEL org.opencontainers.image.documentation="https://github.com/fly-aws/fly-aws/blob/main/docs/machine.md"
LABEL org.opencontainers.image.licenses="Apache-2.0"
COPY $TARGETPLATFORM/fly-aws /fly-aws
ENTRYPOINT ["/fly-aws"]
