package arm

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"aksid/internal/azure"
)

// Receipts are the headers with which a type's provider answers that it works on after the answer, as recorded answers
// have them. Where the type has no Steps, the work is done with the answer here: the operation that it names has succeeded
// whenever a client looks, and nothing is kept of it.
type Receipts struct {
	Write  Receipt // of PUT and PATCH
	Delete Receipt
	Create bool // writes have it only where they create, or say 201
	Empty  bool // the answer to a PUT that creates has no body
	Blank  bool // that to a PUT or PATCH has {}
}

// Receipt is a set of headers.
type Receipt uint8

// The headers of a receipt.
const (
	Async     Receipt = 1 << iota // Azure-AsyncOperation: where the operation's state is
	Located                       // Location: where its result will be
	Notifying                     // Azure-AsyncNotification
)

// receipt adds the headers to an answer.
func (c *Call) receipt(ans *answer, r Receipt) {
	if r == 0 {
		return
	}
	if ans.header == nil {
		ans.header = http.Header{}
	}
	op := operation{ID: receiptID(c.Caller.ID), Target: c.ID, Type: c.Type.Name, Version: c.Version}
	of := ""
	if r&Located != 0 && (c.Method == http.MethodPut || c.Method == http.MethodPatch) {
		of = "&t=" + base64.RawURLEncoding.EncodeToString([]byte(c.ID.String()))
	}
	if r&Async != 0 {
		ans.header["Azure-Asyncoperation"] = []string{op.url(c.Base) + of}
	}
	if r&Located != 0 {
		ans.header["Location"] = []string{op.resultURL(c.Base) + of}
	}
	if r&Notifying != 0 {
		ans.header["Azure-Asyncnotification"] = []string{"Enabled"}
	}
	if c.arm.cfg.Behaviour.Slow {
		ans.header["Retry-After"] = []string{"1"}
	}
}

// writeReceipt adds what a PUT or PATCH is answered with.
func (c *Call) writeReceipt(ans *answer) {
	r := &c.Type.Receipts
	if !r.Create || c.Old == nil || ans.status == http.StatusCreated {
		c.receipt(ans, r.Write)
	}
	if r.Empty && c.Old == nil {
		ans.body = nil
	}
	if r.Blank {
		ans.body = Doc{}
	}
	if c.Type.Located && c.Old == nil {
		ans.header = http.Header{"Location": {Str(ans.body.(Doc), "id")}}
	}
}

// receiptID names an operation of a caller's that is over. The second half of it follows from the first and the caller, so
// that it is known again, for nobody else.
func receiptID(caller azure.PrincipalID) string {
	return sealReceipt(azure.NewGUID().Hex()[:16], caller)
}

func sealReceipt(half string, caller azure.PrincipalID) string {
	sum := sha256.Sum256([]byte(half + caller.String()))
	id := half + hex.EncodeToString(sum[:8])
	return id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
}

// done reports whether a poll is for a receipt of the caller's.
func (c *Call) done() bool {
	id := strings.ToLower(c.ID.Name())
	half := strings.ReplaceAll(id, "-", "")
	return len(half) == 32 && sealReceipt(half[:16], c.Caller.ID) == id
}

// doneState is the state of an operation that is over. Compute's says more than the others', of a disk also what it made.
func (c *Call) doneState() (Doc, *azure.Error) {
	d := Doc{"status": "Succeeded"}
	if !strings.EqualFold(namespace(c.Type.Name), "Microsoft.Compute") {
		return d, nil
	}
	d["name"], d["startTime"], d["endTime"] = c.ID.Name(), c.Now.Format(time.RFC3339Nano), c.Now.Format(time.RFC3339Nano)
	made, err := c.doneResult()
	if err == nil && made["id"] != nil {
		d["properties"] = Doc{"output": made}
	}
	return d, err
}

// doneResult is what came of an operation that is over: the resource, if it was written and the caller may see it.
func (c *Call) doneResult() (Doc, *azure.Error) {
	b, _ := base64.RawURLEncoding.DecodeString(query(c.Request, "t"))
	id, err := azure.ParseID(string(b))
	t := c.arm.reg.find(id.Type())
	if len(b) == 0 || err != nil || t == nil {
		return Answer(Doc{}, http.StatusNoContent, nil), nil
	}
	if err := c.authorize(t.read(), id); err != nil {
		return nil, err
	}
	doc, err := c.Load(id)
	if err != nil || doc == nil {
		return Answer(Doc{}, http.StatusNoContent, nil), Fault(err)
	}
	return c.view(t, doc), nil
}
