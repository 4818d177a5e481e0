package sandbox

import (
	"bytes"
	"encoding/xml"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The namespaces of the responses.
const (
	iamNamespace   = "https://iam.amazonaws.com/doc/2010-05-08/"
	stsNamespace   = "https://sts.amazonaws.com/doc/2011-06-15/"
	faultNamespace = "http://webservices.amazon.com/AWSFault/2005-15-09"
)

// element is an XML element with text or children.
type element struct {
	name     string
	text     string
	children []element
}

func elem(name string, children ...element) element {
	return element{name: name, children: children}
}

func text(name, value string) element { return element{name: name, text: value} }

func number(name string, n int) element { return text(name, strconv.Itoa(n)) }

func boolean(name string, b bool) element { return text(name, strconv.FormatBool(b)) }

// date is an element with a time as IAM writes it: UTC, to the second.
func date(name string, t time.Time) element {
	return text(name, t.UTC().Format("2006-01-02T15:04:05Z"))
}

// document is an element with a policy document, which IAM returns
// percent-encoded (RFC 3986).
func document(name, doc string) element {
	return text(name, strings.ReplaceAll(url.QueryEscape(doc), "+", "%20"))
}

// members is a list in AWS's Query form: <name><member>…</member>…</name>.
func members[T any](name string, items []T, each func(T) element) element {
	list := elem(name)
	for _, item := range items {
		m := each(item)
		m.name = "member"
		list.children = append(list.children, m)
	}
	return list
}

// texts is a list of strings.
func texts(name string, items []string) element {
	return members(name, items, func(s string) element { return text("", s) })
}

func (e element) write(b *bytes.Buffer) {
	b.WriteString("<" + e.name + ">")
	_ = xml.EscapeText(b, []byte(e.text)) // replaces characters that XML does not allow; a Buffer does not fail
	for _, c := range e.children {
		c.write(b)
	}
	b.WriteString("</" + e.name + ">")
}

// envelope is a complete XML response: the children in a root of the namespace.
func envelope(root, namespace string, children ...element) []byte {
	var b bytes.Buffer
	b.WriteString("<" + root + ` xmlns="` + namespace + `">`)
	for _, c := range children {
		c.write(&b)
	}
	b.WriteString("</" + root + ">\n")
	return b.Bytes()
}
