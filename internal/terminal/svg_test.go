package terminal

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "update the golden files")

// pictures are the pictures in the golden files.
var pictures = []struct {
	name    string
	picture Picture
}{
	{"setup", Picture{
		Title:       "fly-aws setup",
		Description: "A form that asks which Fly apps may use AWS, with one of three marked.",
		Lines: shownBy(80, 20, "\r\n"+
			"\x1b[2mAWS account:\x1b[m 111122223333 (acme-prod)\r\n"+
			"\x1b[2mFly organization:\x1b[m acme (Acme)\r\n\r\n"+
			"\x1b[90m┃\x1b[m \x1b[1;34mWhich Fly apps may use AWS?\x1b[m\r\n"+
			"\x1b[90m┃\x1b[m \x1b[90mOnly machines of these apps can assume the role.\x1b[m\r\n"+
			"\x1b[90m┃\x1b[m \x1b[35m>\x1b[m \x1b[32m✓\x1b[m web\r\n"+
			"\x1b[90m┃\x1b[m   \x1b[90m•\x1b[m api\r\n"+
			"\x1b[90m┃\x1b[m   \x1b[90m•\x1b[m worker\r\n\r\n"+
			"\x1b[2mspace mark, / search, enter next\x1b[m\r\n\r\n"+
			"  \x1b[32m+\x1b[m role     \x1b[1mfly-acme-web\x1b[m      create\r\n"+
			"  \x1b[33m~\x1b[m provider \x1b[1moidc.fly.io/acme\x1b[m  add an audience\r\n"+
			"  \x1b[31m-\x1b[m policy   \x1b[9mold\x1b[m               delete\r\n"+
			"  \x1b[7m Yes \x1b[m  \x1b[4mNo\x1b[m …\r\n\r\n"),
		Columns: 72,
	}},
	{"styles", Picture{
		Title:       "every style",
		Description: "The 16 colors, as text and as backgrounds, and each style.",
		Lines:       shownBy(60, 12, everyStyle()),
	}},
	{"hostile", Picture{
		Title:       `</title><script>alert("title")</script> & 'more' ` + strings.Repeat("long ", 20),
		Description: "\x00\"/><script>alert(1)</script>\ufffe\u202e",
		Lines: append(shownBy(40, 8, "<script>alert('1')</script>&amp;]]>\r\n"+
			"\"quoted\" <!-- no --> <![CDATA[ no ]]>\r\n"+
			"漢字|wide|か\u3099|\U0001f600|\r\n"+
			"e\u0301|combined|a\u0308\u0323|\r\n"+
			"\x1b]0;title\x07\x1b[31munended <b>\r\n"+
			"אבג|right to left|\u202ereversed\r\n"+
			"12345|67890|12345|"),
			Line{{Content: "<\x00\x1b\ufffe\xff>", Width: 1}, {Content: "\x01", Width: 1}, {Content: "|", Width: 1}}),
	}},
}

func everyStyle() string {
	var b strings.Builder
	for _, first := range []int{30, 90, 40, 100} {
		for i := range 8 {
			fmt.Fprintf(&b, "\x1b[%dm  c%d \x1b[m", first+i, i)
		}
		b.WriteString("\r\n")
	}
	b.WriteString("\x1b[1mbold\x1b[m \x1b[2mfaint\x1b[m \x1b[3mitalic\x1b[m \x1b[4munderline\x1b[m \x1b[7mreverse\x1b[m \x1b[9mstrike\x1b[m\r\n")
	b.WriteString("\x1b[1;31mbold red\x1b[m \x1b[2;32mfaint green\x1b[m \x1b[7;34mreverse blue\x1b[m\r\n")
	b.WriteString("\x1b[38;5;208morange\x1b[m \x1b[48;5;238mgray behind\x1b[m \x1b[38;2;255;0;255mpink\x1b[m\r\n\r\n")
	b.WriteString("┌──────┬──────┐ \x1b[32m┏━━━━┳━━━━┓\x1b[m ╭──╮ ││\r\n" +
		"│ drawn│ lines│ \x1b[32m┣━━━━╋━━━━┫\x1b[m │  │ ││\r\n" +
		"├──────┼──────┤ \x1b[32m┃heav┃y   ┃\x1b[m ╰──╯ ││\r\n" +
		"└──────┴──────┘ \x1b[32m┗━━━━┻━━━━┛\x1b[m")
	return b.String()
}

// TestPictures compares pictures with golden files.
func TestPictures(t *testing.T) {
	t.Parallel()
	for _, tt := range pictures {
		var got, again bytes.Buffer
		if err := errors.Join(SVG(&got, tt.picture), SVG(&again, tt.picture)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), again.Bytes()) {
			t.Errorf("%s: drawn twice, it differs", tt.name)
		}
		file := filepath.Join("testdata", tt.name+".svg")
		if *update {
			if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s differs from what is drawn; check what \"go test ./internal/terminal -update\" draws", file)
		}
	}
}

// A node is an element of a picture, with its own text.
type node struct {
	name     string
	attr     map[string]string
	text     string
	children []*node
}

func parse(t *testing.T, picture []byte) *node {
	t.Helper()
	dec := xml.NewDecoder(bytes.NewReader(picture))
	root := &node{}
	open := []*node{root}
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return root.children[0]
		}
		if err != nil {
			t.Fatalf("no XML: %v\n%s", err, picture)
		}
		top := open[len(open)-1]
		switch token := token.(type) {
		case xml.StartElement:
			n := &node{name: token.Name.Local, attr: make(map[string]string)}
			for _, a := range token.Attr {
				n.attr[a.Name.Local] = a.Value
			}
			top.children = append(top.children, n)
			open = append(open, n)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			top.text += string(token)
		case xml.Comment, xml.ProcInst, xml.Directive:
			t.Errorf("the picture has an unexpected %q", token)
		}
	}
}

// walk calls f for an element and all below it.
func (n *node) walk(f func(*node)) {
	f(n)
	for _, c := range n.children {
		c.walk(f)
	}
}

// TestPicturesAreSafe parses the pictures: they are XML, have only drawing
// elements, and no text of the screen became markup.
func TestPicturesAreSafe(t *testing.T) {
	t.Parallel()
	allowed := map[string][]string{
		"svg":    {"xmlns", "width", "height", "viewBox", "role", "aria-labelledby"},
		"title":  {"id"},
		"desc":   {"id"},
		"rect":   {"x", "y", "width", "height", "rx", "fill", "stroke", "shape-rendering"},
		"path":   {"d", "stroke"},
		"circle": {"cx", "cy", "r", "fill"},
		"g":      {"font-family", "font-size", "fill"},
		"text":   {"x", "y", "font-size", "text-anchor", "fill", "space"},
		"tspan":  {"x", "textLength", "lengthAdjust", "fill", "fill-opacity", "font-weight", "font-style", "text-decoration"},
	}
	for _, tt := range pictures {
		var b bytes.Buffer
		if err := SVG(&b, tt.picture); err != nil {
			t.Fatal(err)
		}
		root := parse(t, b.Bytes())
		root.walk(func(n *node) {
			attrs, ok := allowed[n.name]
			if !ok {
				t.Errorf("%s: the picture has an element %s", tt.name, n.name)
			}
			for a, v := range n.attr {
				if !slices.Contains(attrs, a) {
					t.Errorf("%s: %s has the attribute %s=%q", tt.name, n.name, a, v)
				}
			}
		})
		if root.attr["role"] != "img" || root.attr["aria-labelledby"] != "title description" {
			t.Errorf("%s: the picture is not said to be one: %v", tt.name, root.attr)
		}
		for i, want := range []string{printable(tt.picture.Title), printable(tt.picture.Description)} {
			n := root.children[i]
			if n.name != []string{"title", "desc"}[i] || n.attr["id"] != []string{"title", "description"}[i] || n.text != want {
				t.Errorf("%s: %s is %q, want %q", tt.name, n.name, n.text, want)
			}
		}
	}
}

// TestPicturesKeepTheText checks that each line has the text of the screen, with
// each run in its place and as long as its columns.
func TestPicturesKeepTheText(t *testing.T) {
	t.Parallel()
	for _, tt := range pictures[:2] {
		var b bytes.Buffer
		if err := SVG(&b, tt.picture); err != nil {
			t.Fatal(err)
		}
		var got []string
		parse(t, b.Bytes()).walk(func(n *node) {
			if n.name != "text" || n.attr["space"] != "preserve" {
				return
			}
			line := n.text
			for _, span := range n.children {
				if x := float64(padding)/10 + 8.4*float64(len([]rune(line))); span.attr["x"] != strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64) {
					t.Errorf("%s: %q stands at %s, want %v", tt.name, span.text, span.attr["x"], x)
				}
				if length := 8.4 * float64(len([]rune(span.text))); span.attr["textLength"] != strconv.FormatFloat(math.Round(length*10)/10, 'f', -1, 64) {
					t.Errorf("%s: %q is %s long, want %v", tt.name, span.text, span.attr["textLength"], length)
				}
				line += span.text
			}
			got = append(got, strings.TrimRight(line, " "))
		})
		var want []string
		for _, l := range tt.picture.Lines {
			if l.String() != "" {
				want = append(want, l.String())
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: the text is\n%q, want\n%q", tt.name, got, want)
		}
	}
}

// TestWideInPictures checks the columns after wide, combining and dropped
// characters.
func TestWideInPictures(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := SVG(&b, pictures[2].picture); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`<tspan x="16" textLength="16.8" lengthAdjust="spacingAndGlyphs">漢</tspan><tspan x="32.8" textLength="16.8" lengthAdjust="spacingAndGlyphs">字</tspan><tspan x="49.6" `,
		`<tspan x="16" textLength="8.4" lengthAdjust="spacingAndGlyphs">e` + "\u0301" + `</tspan><tspan x="24.4" `,
		`<tspan x="16" textLength="8.4" lengthAdjust="spacingAndGlyphs">&lt;&gt;</tspan><tspan x="24.4" textLength="16.8" lengthAdjust="spacingAndGlyphs"> |</tspan>`,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the picture lacks %s", want)
		}
	}
	if strings.ContainsRune(b.String(), '\u202e') {
		t.Error("text in the picture may run backwards")
	}
}

// Only empty lines at both ends are cut off.
func TestOnlyContentIsDrawn(t *testing.T) {
	t.Parallel()
	size := func(p Picture) string {
		p.Title, p.Description = "t", "d"
		var b bytes.Buffer
		if err := SVG(&b, p); err != nil {
			t.Fatal(err)
		}
		return regexp.MustCompile(`viewBox="[^"]*"`).FindString(b.String())
	}
	for _, tt := range []struct {
		output  string
		columns int
		want    string
	}{
		{"\r\n\r\none\r\n\r\nthree\r\n   \r\n", 0, `viewBox="0 0 300.8 120"`},
		{"\x1b[7m \x1b[m\r\n\r\n\x1b[4m \x1b[m", 0, `viewBox="0 0 300.8 120"`},
		{"one", 50, `viewBox="0 0 452 84"`},
		{strings.Repeat("x", 60), 50, `viewBox="0 0 536 84"`},
	} {
		if got := size(Picture{Lines: shownBy(60, 10, tt.output), Columns: tt.columns}); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.output, got, tt.want)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// A picture without content or description, and a failing writer, are errors.
func TestNoPicture(t *testing.T) {
	t.Parallel()
	lines := shownBy(10, 2, "x")
	for want, p := range map[string]Picture{
		"draw a picture: no line has content":                {Title: "t", Description: "d", Lines: shownBy(10, 2, "")},
		"draw a picture: it needs a title and a description": {Title: "t", Description: "\x00 ", Lines: lines},
	} {
		var b bytes.Buffer
		if err := SVG(&b, p); err == nil || err.Error() != want || b.Len() > 0 {
			t.Errorf("%v, and %d bytes; want %q", err, b.Len(), want)
		}
	}
	if err := SVG(full{}, Picture{Title: "t", Description: "d", Lines: lines}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("%v, want the writer's error", err)
	}
}

// TestColorsCanBeRead checks the contrast of WCAG 2.2, 1.4.3, for faint text and
// each color except black.
func TestColorsCanBeRead(t *testing.T) {
	t.Parallel()
	luminance := func(c rgb) float64 {
		part := func(v uint8) float64 {
			s := float64(v) / 255
			if s <= 0.04045 {
				return s / 12.92
			}
			return math.Pow((s+0.055)/1.055, 2.4)
		}
		return 0.2126*part(c.r) + 0.7152*part(c.g) + 0.0722*part(c.b)
	}
	check := func(name string, c rgb) {
		if ratio := (luminance(c) + 0.05) / (luminance(windowColor) + 0.05); ratio < 4.5 {
			t.Errorf("%s, %v, has a contrast of %.2f, less than 4.5", name, c, ratio)
		}
	}
	for i, c := range basic[1:] {
		check("color "+strconv.Itoa(i+1), c)
	}
	check("text", textColor)
	check("faint text", mixed(textColor, windowColor))
	check("the title", titleColor)
}

// TestShown checks the 16 colors in all their notations, and the others as in
// xterm.
func TestShown(t *testing.T) {
	t.Parallel()
	for output, want := range map[string]string{
		"x": "#e6edf3", "\x1b[31mx": "#ff7b72", "\x1b[91mx": "#ffa198", "\x1b[38;5;1mx": "#ff7b72",
		"\x1b[38;5;16mx": "#000000", "\x1b[38;5;17mx": "#00005f", "\x1b[38;5;208mx": "#ff8700", "\x1b[38;5;255mx": "#eeeeee",
		"\x1b[38;2;1;2;3mx": "#010203", "\x1b[7;41mx": "#ff7b72", "\x1b[2mx": "#8e9398",
	} {
		if got := lookOf(shownBy(10, 1, output)[0][0]).fg.String(); got != want {
			t.Errorf("%q is drawn in %s, want %s", output, got, want)
		}
	}
}
