package cli

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.yaml.in/yaml/v3"

	"aksid/internal/report"
)

// pipelines are the steps that are offered to pipelines, from here.
var pipelines = []string{"../../action.yml", "../../azure-pipelines/check.yml"}

// step is a step of GitHub Actions or of Azure Pipelines, as far as it runs a script.
type step struct {
	Name        string
	DisplayName string `yaml:"displayName"`
	Run         string
	Bash        string
	Inputs      struct {
		InlineScript string `yaml:"inlineScript"`
	}
	Env map[string]string
}

func (s step) name() string { return s.Name + s.DisplayName }

func (s step) script() string { return s.Run + s.Bash + s.Inputs.InlineScript }

func stepsOf(path string) ([]step, error) {
	var file struct {
		Runs  struct{ Steps []step }
		Steps []step
	}
	text, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(text, &file)
	}
	return append(file.Runs.Steps, file.Steps...), err
}

var (
	flagPattern   = regexp.MustCompile(`\s(--[a-z-]+)`)
	formatPattern = regexp.MustCompile(` -o ([a-z]+)`)
	variable      = regexp.MustCompile(`\$\{?([A-Z_]+)`)
)

// What pipelines run is a script that bash takes, calls check with flags and formats that there are, and is given what it uses.
func TestPipelines(t *testing.T) {
	check := newCheck(&App{})
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range pipelines {
		steps, err := stepsOf(path)
		if err != nil {
			t.Fatal(err)
		}
		calls := 0
		for _, s := range steps {
			cmd := exec.Command(bash, "-n")
			cmd.Stdin = strings.NewReader(s.script())
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s, %s: %v: %s", path, s.name(), err, out)
			}
			for line := range strings.Lines(s.script()) {
				if !strings.Contains(line, "args") {
					continue
				}
				for _, m := range flagPattern.FindAllStringSubmatch(strings.ReplaceAll(line, "(", " "), -1) {
					if calls++; check.Flags().Lookup(m[1][2:]) == nil {
						t.Errorf("%s, %s: check has no flag %s", path, s.name(), m[1])
					}
				}
				if m := formatPattern.FindStringSubmatch(line); m != nil && !slices.Contains(report.Formats, m[1]) {
					t.Errorf("%s, %s: check has no format %s", path, s.name(), m[1])
				}
			}
			for _, m := range variable.FindAllStringSubmatch(s.script(), -1) {
				_, given := s.Env[m[1]]
				if platform := regexp.MustCompile(`^(RUNNER|GITHUB|AGENT)_`).MatchString(m[1]); !given && !platform {
					t.Errorf("%s, %s: nobody sets %s", path, s.name(), m[1])
				}
			}
			if strings.Contains(s.script(), "${{") {
				t.Errorf("%s, %s: an expression in a script lets whoever sets it run commands; hand it over in env", path, s.name())
			}
		}
		if calls < 5 {
			t.Errorf("%s: %d flags", path, calls)
		}
	}
}

// writeStep writes the script of a step to a file: step YAML NAME FILE.
func writeStep(ts *testscript.TestScript, _ bool, args []string) {
	steps, err := stepsOf("../../" + args[0])
	ts.Check(err)
	i := slices.IndexFunc(steps, func(s step) bool { return s.name() == args[1] })
	if i < 0 {
		ts.Fatalf("%s has no step %s", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(steps[i].script()), 0o600))
}
