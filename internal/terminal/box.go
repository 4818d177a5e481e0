package terminal

// armsOf are the lines of a box drawing character, from the middle of its cell: up,
// right, down and left, each as thick as its number.
type armsOf struct{ up, right, down, left int }

// arms are the characters that are drawn as lines, as terminals do, because a
// font's do not reach the next row. Round corners are drawn square.
var arms = map[string]armsOf{
	"─": {0, 1, 0, 1}, "│": {1, 0, 1, 0}, "━": {0, 2, 0, 2}, "┃": {2, 0, 2, 0},
	"┌": {0, 1, 1, 0}, "┐": {0, 0, 1, 1}, "└": {1, 1, 0, 0}, "┘": {1, 0, 0, 1},
	"╭": {0, 1, 1, 0}, "╮": {0, 0, 1, 1}, "╰": {1, 1, 0, 0}, "╯": {1, 0, 0, 1},
	"┏": {0, 2, 2, 0}, "┓": {0, 0, 2, 2}, "┗": {2, 2, 0, 0}, "┛": {2, 0, 0, 2},
	"├": {1, 1, 1, 0}, "┤": {1, 0, 1, 1}, "┬": {0, 1, 1, 1}, "┴": {1, 1, 0, 1}, "┼": {1, 1, 1, 1},
	"┣": {2, 2, 2, 0}, "┫": {2, 0, 2, 2}, "┳": {0, 2, 2, 2}, "┻": {2, 2, 0, 2}, "╋": {2, 2, 2, 2},
}

// thin is the thickness of a line, in tenths of a pixel.
const thin = 12

// lines draws the box drawing characters of a line with its top at y.
func (d *drawing) lines(l Line, y int) {
	for _, r := range runs(l, together) {
		a, drawn := arms[r.cells[0].Content]
		if !drawn {
			continue
		}
		// A run repeats one character, so its horizontal lines span the whole run.
		fill := lookOf(r.cells[0]).fg
		left, right := padding+r.column*cellWidth, padding+(r.column+r.columns)*cellWidth
		middle := y + rowHeight/2
		bar := func(x0, y0, x1, y1 int) {
			d.add(`<rect x="%s" y="%s" width="%s" height="%s" fill="%v"/>`+"\n", px(x0), px(y0), px(x1-x0), px(y1-y0), fill)
		}
		if a.left > 0 && a.right > 0 {
			bar(left, middle-a.left*thin/2, right, middle+a.left*thin/2)
		}
		for x := left; x < right; x += cellWidth {
			center := x + cellWidth/2
			if half := max(a.up, a.down) * thin / 2; half > 0 {
				top, bottom := y, y+rowHeight
				if a.up == 0 {
					top = middle - a.down*thin/2
				}
				if a.down == 0 {
					bottom = middle + a.up*thin/2
				}
				bar(center-half, top, center+half, bottom)
			}
			switch {
			case a.left > 0 && a.right == 0:
				bar(x, middle-a.left*thin/2, center, middle+a.left*thin/2)
			case a.right > 0 && a.left == 0:
				bar(center, middle-a.right*thin/2, x+cellWidth, middle+a.right*thin/2)
			}
		}
	}
}
