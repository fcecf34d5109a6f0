# drover with Debian's QEMU for PCs:
#
#     docker build -t drover .
#     docker run --rm drover run precopy
#
# Neither root nor a privilege is needed. Scenarios of postcopy need userfaultfd, which
# Docker's default seccomp profile refuses; "drover doctor" says what that costs.
FROM golang:1.26-trixie AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# With .git beside it "drover version" says which commit this is.
RUN CGO_ENABLED=0 go build -trimpath -o /drover ./cmd/drover

FROM debian:trixie-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends qemu-system-x86 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home drover
COPY --from=build /drover /usr/local/bin/drover
USER drover
WORKDIR /home/drover
ENTRYPOINT ["drover"]
CMD ["run"]
