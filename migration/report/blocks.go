package report

// The names of the pages in a run's folder.
const (
	TextFile = "report.txt"
	HTMLFile = "report.html"
)

// A page is what stands in report.txt and report.html, in that order. Texts are as they
// came: who writes the page escapes them.
type page struct {
	Title    string
	Outcome  string
	Sections []section
}

// A section is one of the page's parts.
type section struct {
	Title  string
	Folded bool
	Blocks []block
}

// A block is a piece of a section. Exactly one of its parts is there.
type block struct {
	Para    *para
	Table   *table
	Listing *listing
	Figure  *figure
}

// A para is a sentence, with where it comes from.
type para struct {
	Label string // in front, such as "where"
	Text  string
	Mark  string // what it is: fail, pass, note, or nothing
	File  string // that says so, in the folder
	Line  int    // 0 where it is the whole file
}

// A table has a head.
type table struct {
	Caption string
	Head    []string
	Rows    [][]string
	Marks   []string // of each row; may be shorter
	Files   bool     // the first cell of each row is a file in the folder
	Tight   bool     // cells are numbers, which are not broken into lines
}

// A listing is text of lines.
type listing struct {
	Title string
	Fold  bool
	Lines []listLine
}

// A listLine is a line, with what stands in front of it.
type listLine struct {
	Gutter string
	Text   string
	Mark   string // fail, grey, or nothing
}

// A figure is a picture, drawn twice: for a page, and in characters. Alt says what it shows,
// with the numbers.
type figure struct {
	Caption string
	Alt     string
	Picture picture
	Text    []string
}

func (s *section) para(label, text, mark string) {
	s.Blocks = append(s.Blocks, block{Para: &para{Label: label, Text: text, Mark: mark}})
}

func (s *section) from(p para) { s.Blocks = append(s.Blocks, block{Para: &p}) }

func (s *section) table(t table) {
	if len(t.Rows) > 0 {
		s.Blocks = append(s.Blocks, block{Table: &t})
	}
}

func (s *section) listing(l listing) {
	if len(l.Lines) > 0 {
		s.Blocks = append(s.Blocks, block{Listing: &l})
	}
}

func (s *section) figure(f *figure) {
	if f != nil {
		s.Blocks = append(s.Blocks, block{Figure: f})
	}
}
