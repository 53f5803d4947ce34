package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"aksid/internal/breakglass"
	"aksid/internal/estate"
	"aksid/internal/evidence"
	"aksid/internal/finding"
	"aksid/internal/local"
	"aksid/internal/plain"
	"aksid/internal/report"
)

type evidenceOptions struct {
	sourceOptions
	Out      string // folder or .zip
	Config   string
	Record   string
	Since    string // 30d
	FromDate string
	ToDate   string
	Sign     string // private SSH key
	Redact   string
}

// epochVar fixes the time that a bundle says it was made at, as reproducible builds have it: seconds since 1970.
const epochVar = "SOURCE_DATE_EPOCH"

func newEvidence(a *App) *cobra.Command {
	var o evidenceOptions
	cmd := &cobra.Command{
		Use:   "evidence [CLUSTER...] -o DIR|FILE.zip",
		Short: "Write a hashed, signed bundle for reviewers: identities, roles, changes, findings",
		Long: `Write what a reviewer needs, and nothing secret, into a folder or an archive: the fields of the clusters' identities as az
prints them, role assignments with their definitions as they were, deny assignments, what Privileged Identity Management gives,
groups and who is in them, what the activity log says of role and identity changes in a period, findings, accepted findings with
owner and end, the break-glass record, and who has collected this when, with which rights, and what could not be read.

A manifest holds the SHA-256 of every file; with --sign it is signed with an SSH key, so that "aksid evidence verify" and
ssh-keygen -Y verify tell whether anything was changed. Two runs on the same estate differ in their time alone, and in nothing if
` + epochVar + ` fixes it. It only reads.

Exit codes: 0 a bundle was written, 2 wrong usage or input, 3 it was written but something needed could not be read.`,
		Example: `  aksid evidence -o evidence-2026-11.zip
  aksid evidence --all-subscriptions --since 30d --sign ~/.ssh/id_ed25519 -o evidence-2026-11.zip
  aksid evidence -n freight-prod --from-date 2026-10-01 --to-date 2026-11-01 --redact names -o october/
  aksid evidence verify evidence-2026-11.zip --signer allowed_signers`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Clusters = args
			return runEvidence(cmd.Context(), a, o)
		},
	}
	sourceFlags(cmd, &o.sourceOptions)
	configFlag(cmd, &o.Config)
	f := cmd.Flags()
	f.StringVarP(&o.Out, "output", "o", "", "new `folder`, or file that ends in .zip")
	f.StringVar(&o.Since, "since", "30d", "changes of the last `time`, as 30d or 12h; Azure keeps 90 days")
	f.StringVar(&o.FromDate, "from-date", "", "changes since a `day` or time, in UTC, instead of --since")
	f.StringVar(&o.ToDate, "to-date", "", "changes up to a `day`, which is not in it, or time (default: now)")
	f.StringVar(&o.Record, "record", "", "`file` with the break-glass record (default: "+recordFile+" in the working directory, if there is one)")
	f.StringVar(&o.Sign, "sign", "", "sign the manifest with this private SSH `key`; an encrypted one asks for its passphrase")
	f.StringVar(&o.Redact, "redact", "", "`names`: pseudonyms instead of display names of people, groups and applications")
	cmd.AddCommand(newVerify(a))
	return cmd
}

func runEvidence(ctx context.Context, a *App, o evidenceOptions) error {
	switch {
	case o.Out == "":
		return usagef("say where the bundle goes: -o DIR or -o FILE.zip")
	case o.Redact != "" && o.Redact != "names":
		return usagef("--redact takes names, not %q", o.Redact)
	}
	key, err := a.signingKey(o.Sign)
	if err != nil {
		return err
	}
	in, err := evidenceInput(ctx, a, &o)
	if err != nil {
		return err
	}
	files, err := evidence.Make(in)
	if err != nil {
		return err
	}
	if key != nil {
		sig, err := evidence.Sign(key, files[len(files)-1].Data)
		if err != nil {
			return usagef("%s cannot sign: %w", o.Sign, err)
		}
		files = append(files, sig)
	}
	if err := evidence.Write(o.Out, files); err != nil {
		return usagef("%s cannot be written: %w", o.Out, err)
	}
	about := "1 cluster"
	if n := len(in.Estate.Clusters); n != 1 {
		about = fmt.Sprintf("%d clusters", n)
	}
	fmt.Fprintf(a.Out, "%s: %d files about %s\n", o.Out, len(files), about)
	for _, i := range in.Estate.Incomplete {
		a.note("could not be read: %s (%s)", plain.Text(i.What), plain.Text(i.Why))
	}
	if len(in.Estate.Incomplete) > 0 {
		return unreadf("the bundle says what could not be read")
	}
	return nil
}

// evidenceInput reads what goes into a bundle.
func evidenceInput(ctx context.Context, a *App, o *evidenceOptions) (in evidence.Input, err error) {
	if in.Check.Tuning, err = readTuning(o.Config); err != nil {
		return in, err
	}
	if in.Record, err = readRecord(o.Record); err != nil {
		return in, err
	}
	measured, err := a.clock(ctx, o.sourceOptions)
	if err != nil {
		return in, err
	}
	now, err := a.fixedTime(measured)
	if err != nil {
		return in, err
	}
	in.Now, in.Version, in.Redact, in.Check.Now = now, built().Version, o.Redact != "", now
	if in.From, in.To, err = o.period(now); err != nil {
		return in, err
	}
	o.Keep, o.Rights, o.People, o.History = true, true, true, estate.History{Since: in.From, Now: now, Providers: evidence.Providers}
	if in.Estate, err = a.load(ctx, o.sourceOptions); err != nil {
		return in, err
	}
	by := in.Estate.By
	in.Collector = evidence.Collector{Object: by.Object, Tenant: by.Tenant, Name: by.Name}
	in.Rights = in.Estate.Rights
	if live := in.Estate.From == fromAzure || in.Estate.From == local.From; live && now != measured { // fixed: what is read while a bundle is made is read at that time
		in.Estate.At = now
	}
	return in, nil
}

// readRecord reads a break-glass record. One that is not as it was written is evidence as well.
func readRecord(flag string) (*breakglass.Record, error) {
	path := flag
	if path == "" {
		path = recordFile
	}
	if _, err := os.Stat(path); err != nil {
		if flag == "" && errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, usagef("%s cannot be read: %w", path, err)
	}
	rec, err := breakglass.File{Path: path}.Read()
	if err != nil && !errors.As(err, new(*breakglass.Damaged)) {
		return nil, usageError{err}
	}
	return rec, nil
}

// fixedTime is the time that the environment fixes, or the one that is given.
func (a *App) fixedTime(now time.Time) (time.Time, error) {
	text := a.getenv(epochVar)
	if text == "" {
		return now, nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return now, usagef("%s %q is no number of seconds since 1970", epochVar, text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// period is from when to when changes are wanted.
func (o evidenceOptions) period(now time.Time) (from, to time.Time, err error) {
	since, err := parseSpan(o.Since)
	if err != nil {
		return from, to, err
	}
	from, to = now.Add(-since), now
	if o.FromDate != "" {
		if from, err = parseDay("--from-date", o.FromDate); err != nil {
			return from, to, err
		}
	}
	if o.ToDate != "" {
		if to, err = parseDay("--to-date", o.ToDate); err != nil {
			return from, to, err
		}
	}
	if !from.Before(to) {
		return from, to, usagef("the period from %s to %s is empty", stamp(from), stamp(to))
	}
	return from, to, nil
}

// parseSpan reads a length of time, in which d is 24 hours.
func parseSpan(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n <= 3650 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, usagef("%q is no length of time; give one as 30d or 12h", s)
	}
	return d, nil
}

func parseDay(flag, s string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, usagef("%s %q is no day or time; give it as 2026-11-01 or 2026-11-01T08:00:00Z", flag, s)
}

// maxKey bounds a key file, in bytes.
const maxKey = 64 << 10

// signingKey reads a private key, and asks for its passphrase if it has one.
func (a *App) signingKey(path string) (evidence.Key, error) {
	if path == "" {
		return nil, nil
	}
	text, err := plain.ReadFile(path, maxKey)
	if err != nil {
		return nil, usagef("%s cannot be read: %w", path, err)
	}
	key, err := evidence.ParseKey(text, nil)
	if errors.Is(err, evidence.ErrPassphrase) {
		passphrase, asked := a.passphrase(path)
		if asked != nil {
			return nil, asked
		}
		if key, err = evidence.ParseKey(text, passphrase); err != nil {
			return nil, usagef("%s cannot be opened with this passphrase", path)
		}
	}
	if err != nil {
		return nil, usagef("%s: %w", path, err)
	}
	return key, nil
}

func (a *App) passphrase(path string) ([]byte, error) {
	in, ok := a.In.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return nil, usagef("%s is encrypted and there is nobody to ask for its passphrase; sign at a terminal, or with a key of the pipeline's own", path)
	}
	fmt.Fprintf(a.Err, "aksid: passphrase of %s: ", path)
	text, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(a.Err)
	return text, err
}

type verifyOptions struct {
	Signer string
	Output string
}

func newVerify(a *App) *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use:   "verify BUNDLE",
		Short: "Tell whether a bundle is as it was made, and who has signed it",
		Long: `Compare every file of a bundle with its manifest, and the manifest with its signature: what was changed, taken away or added is
named. --signer says whose signature counts: a public key, or an allowed_signers file as ssh-keygen has it. Without it a
signature is compared with the key that it names itself, which anybody could have made.

Exit codes: 0 it is as it was made, 1 it is not, 2 wrong usage, or it is no bundle that can be read.`,
		Example: `  aksid evidence verify evidence-2026-11.zip
  aksid evidence verify evidence-2026-11.zip --signer ops.pub
  aksid evidence verify october/ --signer allowed_signers -o json`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return runVerify(a, o, args[0]) },
	}
	outputFlag(cmd, &o.Output, "table", "json")
	cmd.Flags().StringVar(&o.Signer, "signer", "", "public key or allowed_signers `file` of those whose signature counts")
	return cmd
}

func runVerify(a *App, o verifyOptions, path string) error {
	var signers evidence.Signers
	if o.Signer != "" {
		text, err := plain.ReadFile(o.Signer, finding.MaxTuning)
		if err == nil {
			signers, err = evidence.ParseSigners(text)
		}
		if err != nil {
			return usagef("%s: %w", o.Signer, err)
		}
	}
	files, err := evidence.Read(path)
	if err != nil {
		return usagef("%s cannot be read: %s", path, plain.Text(err.Error()))
	}
	v := evidence.Verify(files, signers)
	if o.Output == "json" {
		err = report.JSON(a.Out, v)
	} else {
		a.printVerdict(path, v)
	}
	if err == nil && len(v.Problems)+len(v.Record) > 0 {
		err = errFindings
	}
	return err
}

func (a *App) printVerdict(path string, v evidence.Verdict) {
	for _, p := range v.Problems {
		fmt.Fprint(a.Out, wrap("  ✗ ", plain.Text(p)))
	}
	for _, p := range v.Record {
		fmt.Fprint(a.Out, wrap("  ✗ ", "the break-glass record that it was made with is not as it was written: "+plain.Text(p)))
	}
	switch {
	case v.Trusted && v.Signer != "":
		fmt.Fprintf(a.Out, "signed by %s (%s)\n", plain.Text(v.Signer), v.Key)
	case v.Trusted:
		fmt.Fprintf(a.Out, "signed by %s\n", v.Key)
	case v.Signed:
		fmt.Fprintf(a.Out, "signed by %s; nobody has said whose key that is: --signer does\n", v.Key)
	default:
		fmt.Fprintln(a.Out, "not signed")
	}
	if len(v.Problems) > 0 {
		fmt.Fprintf(a.Out, "%s is not as it was made: %d problems.\n", path, len(v.Problems))
		return
	}
	fmt.Fprintf(a.Out, "%s is as it was made at %s: %d files.\n", path, stamp(v.CreatedAt), v.Files)
}
