package simulate

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"partnerpulse/internal/simulate/plan"
)

// State is what a later run needs to go on with the same world: fates are placed
// relative to the world's first day, so that one must be kept.
type State struct {
	Seed     uint64    `json:"seed"`
	Tenant   string    `json:"tenant"`
	Portal   string    `json:"portal"`
	Partners int       `json:"partners"`
	Start    plan.Day  `json:"start"`
	Days     int       `json:"days"`
	Through  time.Time `json:"through"` // every planned event before it is answered
}

func stateOf(c plan.Config, through time.Time) State {
	return State{
		Seed: c.Seed, Tenant: c.Tenant, Portal: c.Portal, Partners: c.Partners, Start: c.Start, Days: c.Days, Through: through.UTC(),
	}
}

// Resume sets the world of an earlier run and the instant to go on from.
func (s State) Resume(c *Config) {
	c.World.Seed, c.World.Tenant, c.World.Portal, c.World.Partners = s.Seed, s.Tenant, s.Portal, s.Partners
	c.World.Start, c.World.Days, c.From = s.Start, s.Days, s.Through
}

// ReadState reads what WriteState wrote; found is false when there is no file.
func ReadState(path string) (s State, found bool, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return s, false, nil
	}
	if err != nil {
		return s, false, fmt.Errorf("reading the state of the simulation: %w", err)
	}
	if err := json.Unmarshal(b, &s, json.RejectUnknownMembers(true)); err != nil {
		return s, false, fmt.Errorf("decoding the state of the simulation in %s: %w", path, err)
	}
	return s, true, nil
}

// WriteState replaces the file as a whole, so that a crash leaves the old or the
// new one.
func WriteState(path string, s State) error {
	b, err := json.Marshal(s, jsontext.WithIndent("  "))
	if err != nil {
		return fmt.Errorf("encoding the state of the simulation: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("writing the state of the simulation: %w", err)
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing the state of the simulation: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}
