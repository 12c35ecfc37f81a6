// A subscriber with github.com/go-zeromq/zmq4; see the README beside this folder.
package main

import (
	"bufio"
	"context"
	"fmt"
	"hash/adler32"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-zeromq/zmq4"
	"github.com/go-zeromq/zmq4/security/plain"
)

const retry = 50 * time.Millisecond

func describe(frame []byte) string {
	return fmt.Sprintf("%d:%x:%x", len(frame), adler32.Checksum(frame), frame[:min(16, len(frame))])
}

func read(subscriber zmq4.Socket, gate *sync.Mutex) {
	for {
		gate.Lock()
		gate.Unlock()
		message, err := subscriber.Recv()
		if err != nil {
			fmt.Println("error", err)
			time.Sleep(retry)
			continue
		}
		line := "message"
		for _, frame := range message.Frames {
			line += " " + describe(frame)
		}
		fmt.Println(line)
	}
}

// It has PLAIN, no CURVE, and no heartbeats.
func options(words []string) []zmq4.Option {
	options := []zmq4.Option{zmq4.WithAutomaticReconnect(true)}
	said := map[string]string{}
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		said[name] = value
	}
	if user, ok := said["plain_user"]; ok {
		options = append(options, zmq4.WithSecurity(plain.Security(user, said["plain_password"])))
	}
	return options
}

func main() {
	subscriber := zmq4.NewSub(context.Background(), options(os.Args[2:])...)
	if err := subscriber.Dial(os.Args[1]); err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println("ready")
	var gate sync.Mutex
	go read(subscriber, &gate)
	commands := bufio.NewScanner(os.Stdin)
	for ended := false; !ended && commands.Scan(); {
		verb, text, _ := strings.Cut(commands.Text(), " ")
		var err error
		switch verb {
		case "subscribe":
			err = subscriber.SetOption(zmq4.OptionSubscribe, text)
		case "cancel":
			err = subscriber.SetOption(zmq4.OptionUnsubscribe, text)
		case "stop":
			gate.Lock()
		case "go":
			gate.Unlock()
		default:
			ended = true
		}
		if err != nil {
			fmt.Println("error", err)
		}
	}
	subscriber.Close()
}
