package flytoml

import (
	"os"
	"testing"
)

func BenchmarkEnv(b *testing.B) {
	src := typical(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok, err := envIn(src, "PORT"); err != nil || !ok {
			b.Fatal(ok, err)
		}
	}
}

func BenchmarkSet(b *testing.B) {
	src := typical(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := setIn(src, "AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/fly-acme-shop"); err != nil {
			b.Fatal(err)
		}
	}
}

func typical(b *testing.B) []byte {
	src, err := os.ReadFile("testdata/launch.toml")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(src)))
	return src
}
