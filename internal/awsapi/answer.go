package awsapi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// maxAnswer bounds a response, in bytes. The largest is a page of account details,
// with at most 1,000 roles of about 10 KB.
const maxAnswer = 16 << 20

var errTooLarge = fmt.Errorf("the response is larger than %d MB", maxAnswer>>20)

// answerForm matches the start of a response of IAM or STS, like <GetRoleResponse
// ...>.
var answerForm = regexp.MustCompile(`^\s*(<\?xml[^>]*\?>\s*)?<\w+Response[\s/>]`)

// checkAnswers bounds the responses of AWS, and makes a response that is not IAM's or
// STS's an error, such as the page of a captive portal: for a call without a result, the SDK
// takes any response for success (iam v1.64.8, deserializers.go).
func checkAnswers(s *middleware.Stack) error {
	check := middleware.DeserializeMiddlewareFunc("CheckAnswer", func(
		ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
	) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		answer, ok := out.RawResponse.(*smithyhttp.Response)
		if err != nil || !ok {
			return out, metadata, err
		}
		body := bufio.NewReader(answer.Body)
		answer.Body = struct {
			io.Reader
			io.Closer
		}{&boundedReader{r: body, left: maxAnswer}, answer.Body}
		service := awsmiddleware.GetServiceID(ctx)
		if answer.StatusCode/100 != 2 || service != iam.ServiceID && service != sts.ServiceID {
			return out, metadata, nil
		}
		if head, _ := body.Peek(body.Size()); !answerForm.Match(head) {
			return out, metadata, &smithy.DeserializationError{Err: errors.New("not a response of AWS")}
		}
		return out, metadata, nil
	})
	// Innermost, so that it runs before the decoding.
	return s.Deserialize.Add(check, middleware.After)
}

// A boundedReader fails when there is more to read than its limit.
type boundedReader struct {
	r    io.Reader
	left int
}

// Read implements io.Reader.
func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
