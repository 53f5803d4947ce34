package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"aksid/internal/azure"
)

// Files of a data folder that clients read. The folder also holds the store and the keys, which only the server reads.
const (
	endpointFile = "endpoint.json" // there while the local Azure runs
	caFile       = "ca.pem"
	operatorFile = "operator.json"
	adminKeyFile = "admin.key"
)

// maxFile bounds what is read of any of these files, in bytes.
const maxFile = 1 << 20

// Endpoint is what a running local Azure says of itself in its data folder.
type Endpoint struct {
	URL           string            `json:"url"`  // of Azure Resource Manager, as in https://localhost:8443
	Addr          string            `json:"addr"` // where it listens, as in 127.0.0.1:8443
	PID           int               `json:"pid"`
	Tenant        azure.GUID        `json:"tenantId"`
	Subscriptions []Subscription    `json:"subscriptions"`
	ClientID      azure.GUID        `json:"operatorClientId"`
	ObjectID      azure.PrincipalID `json:"operatorObjectId"`
	Started       time.Time         `json:"started"`
}

// Subscription is a subscription of the local Azure.
type Subscription struct {
	ID   string `json:"id"` // the GUID alone
	Name string `json:"name"`
}

// Credential is a service principal's client secret credential.
type Credential struct {
	ClientID azure.GUID        `json:"clientId"`
	ObjectID azure.PrincipalID `json:"objectId"`
	Tenant   azure.GUID        `json:"tenantId"`
	Secret   string            `json:"secret"`
}

// Publish writes e into the data folder, in one step, so that clients find it.
func Publish(dir string, e Endpoint) error {
	body, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	return Replace(filepath.Join(dir, endpointFile), append(body, '\n'))
}

// Withdraw removes what Publish wrote. It leaves the endpoint of any other process alone.
func Withdraw(dir string, pid int) error {
	e, err := Read(dir)
	if err != nil || e.PID != pid {
		return nil
	}
	return os.Remove(filepath.Join(dir, endpointFile))
}

// Read returns what the data folder says, whether or not it is still true: Find checks that.
// Without an endpoint file the error is ErrNotRunning.
func Read(dir string) (Endpoint, error) {
	var e Endpoint
	err := readJSON(filepath.Join(dir, endpointFile), &e)
	if errors.Is(err, fs.ErrNotExist) {
		return e, notRunning(dir, nil)
	}
	return e, err
}

func readJSON(path string, into any) error {
	body, err := readFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%s is damaged (%v); stop the local Azure and start it again with: aksid up", path, err)
	}
	return nil
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%s is not a file of at most %d bytes", path, maxFile)
	}
	return os.ReadFile(path)
}

// Replace writes a file that its owner alone can read, or leaves the old one as it was.
func Replace(path string, body []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(body); err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}
