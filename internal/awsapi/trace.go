package awsapi

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/fly-aws/fly-aws/setup"
)

// Call is one request that was sent to AWS, without anything of the request or the
// response that could be secret.
type Call struct {
	// Service and Operation are the SDK's names, like "IAM" and "GetRole"; for
	// credentials of an instance or a container they are "Metadata" and
	// "credentials".
	Service, Operation string
	// Attempt counts from 1.
	Attempt int
	Elapsed time.Duration
	// Status is the HTTP status; 0 if there was no response.
	Status int
	// RequestID is AWS's; "" if there was no response.
	RequestID string
	// Code is AWS's error code; "" on success and if there was no response.
	Code string
}

// traceWith calls report after each attempt.
func traceWith(report func(Call)) func(*middleware.Stack) error {
	var mu sync.Mutex
	each := middleware.DeserializeMiddlewareFunc("Trace", func(
		ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
	) (middleware.DeserializeOutput, middleware.Metadata, error) {
		start := time.Now()
		out, metadata, err := next.HandleDeserialize(ctx, in)
		c := Call{
			Service:   cmp.Or(awsmiddleware.GetServiceID(ctx), "Metadata"),
			Operation: cmp.Or(awsmiddleware.GetOperationName(ctx), "credentials"),
			Attempt:   1,
			Elapsed:   time.Since(start),
		}
		if r, ok := in.Request.(*smithyhttp.Request); ok {
			c.Attempt = attemptOf(r.Header.Get("Amz-Sdk-Request"))
		}
		if r, ok := out.RawResponse.(*smithyhttp.Response); ok && r != nil && r.Response != nil {
			c.Status = r.StatusCode
		}
		c.RequestID, _ = awsmiddleware.GetRequestIDMetadata(metadata)
		var api smithy.APIError
		if errors.As(err, &api) {
			c.Code = api.ErrorCode()
		}
		mu.Lock()
		defer mu.Unlock()
		report(c)
		return out, metadata, err
	})
	return func(s *middleware.Stack) error {
		// Outermost in its step, so that it sees the decoded error.
		return s.Deserialize.Add(each, middleware.Before)
	}
}

// receiptKey is the context key of the *setup.Receipt of a write.
type receiptKey struct{}

// addReceipts notes the request ID of each write that AWS accepted in the receipt in
// its context. The calls of one Write run one after another.
func addReceipts(s *middleware.Stack) error {
	note := middleware.DeserializeMiddlewareFunc("Receipt", func(
		ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
	) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		receipt, ok := ctx.Value(receiptKey{}).(*setup.Receipt)
		if id, found := awsmiddleware.GetRequestIDMetadata(metadata); ok && found && err == nil && isWrite(ctx) {
			receipt.RequestIDs = append(receipt.RequestIDs, id)
		}
		return out, metadata, err
	})
	// Outermost in its step, as the trace is.
	return s.Deserialize.Add(note, middleware.Before)
}

// attemptOf reads the number of the attempt from the header that the SDK's retry
// loop sets, like "attempt=2; max=6".
func attemptOf(header string) int {
	for field := range strings.SplitSeq(header, ";") {
		if v, ok := strings.CutPrefix(strings.TrimSpace(field), "attempt="); ok {
			if n, err := strconv.Atoi(v); err == nil {
				return n
			}
		}
	}
	return 1
}
