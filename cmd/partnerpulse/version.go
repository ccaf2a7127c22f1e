package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
)

type versionCmd struct {
	JSON bool `help:"Print as JSON."`
}

// Run prints the version.
func (v *versionCmd) Run() error {
	if v.JSON {
		return json.NewEncoder(os.Stdout).Encode(map[string]string{
			"version": version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH,
		})
	}
	_, err := fmt.Printf("partnerpulse %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
