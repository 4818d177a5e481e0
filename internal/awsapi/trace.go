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
)

// Call is one request that was sent to AWS. It holds nothing of the request or
// the answer that could be secret.
type Call struct {
	// Service and Operation are as the SDK names them: "IAM", "GetRole". Those of
	// an instance or container, asked for credentials, have no names in the SDK:
	// "Metadata", "credentials".
	Service, Operation string
	// Attempt counts from 1.
	Attempt int
	Elapsed time.Duration
	// Status is the HTTP status; 0 when no answer came.
	Status int
	// RequestID is AWS's; empty when no answer came.
	RequestID string
	// Code is AWS's error code; empty on success and when no answer came.
	Code string
}

// traceWith has report called with each attempt.
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

// attemptOf reads the number of the attempt from the header that the SDK's retry
// loop sets, "attempt=2; max=6". The SDK tells it nowhere else before the call
// has ended.
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
