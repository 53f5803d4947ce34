package directory

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/store"
)

// KindAuthority are what the keys and tokens of clusters' API servers are computed from; the key is the cluster's.
const KindAuthority = "clusterAuthority"

// Authority is what a cluster's certificate authority and tokens are computed from. It is shown to nobody.
type Authority struct {
	Seed []byte    `json:"seed"`
	Made time.Time `json:"made"`
}

// ClusterAuthority is a cluster's Authority, made when it is asked for first.
func ClusterAuthority(tx store.Tx, cluster azure.ID, now time.Time) (Authority, error) {
	var a Authority
	d, err := tx.Get(KindAuthority, cluster.Key())
	if err == nil {
		return a, json.Unmarshal(d.Body, &a)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return a, err
	}
	a = Authority{Seed: make([]byte, 32), Made: now.UTC().Truncate(time.Second)}
	_, _ = rand.Read(a.Seed) // never fails
	body, err := json.Marshal(a)
	if err != nil {
		return a, err
	}
	return a, tx.Put(store.Doc{Kind: KindAuthority, Key: cluster.Key(), Body: body})
}

// DropClusterAuthority forgets that of a cluster that is no more.
func DropClusterAuthority(tx store.Tx, cluster azure.ID) error {
	return tx.Delete(KindAuthority, cluster.Key())
}
