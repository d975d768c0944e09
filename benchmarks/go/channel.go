// Numbers through channels of int. First argument: how many; second: what is done with them.
//   1x1, 2x2, 4x4   so many senders and receivers, 1024 slots (default 1x1)
//   same            one goroutine sends and receives, 1024 slots
//   ping-pong       there and back through two unbuffered channels
//   select2, select8   one goroutine selects over so many channels with 64 slots, another fills them in turn
// Prints nanoseconds and the sum modulo 2^31.
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

const mask = 0x7fffffff

func through(n, pairs int) int {
	numbers := make(chan int, 1024)
	sums := make(chan int, pairs)
	var senders sync.WaitGroup
	for s := 0; s < pairs; s++ {
		senders.Add(1)
		go func(s int) {
			for i := s; i < n; i += pairs {
				numbers <- i
			}
			senders.Done()
		}(s)
		go func() {
			sum := 0
			for i := range numbers {
				sum = (sum + i) & mask
			}
			sums <- sum
		}()
	}
	senders.Wait()
	close(numbers)
	sum := 0
	for s := 0; s < pairs; s++ {
		sum = (sum + <-sums) & mask
	}
	return sum
}

func same(n int) int {
	numbers := make(chan int, 1024)
	sum := 0
	for i := 0; i < n; i++ {
		numbers <- i
		sum = (sum + <-numbers) & mask
	}
	return sum
}

func pingPong(n int) int {
	there, back := make(chan int), make(chan int)
	go func() {
		for i := range there {
			back <- i
		}
	}()
	sum := 0
	for i := 0; i < n; i++ {
		there <- i
		sum = (sum + <-back) & mask
	}
	close(there)
	return sum
}

func selectOver(n, count int) int {
	c := make([]chan int, 8)
	for i := 0; i < count; i++ {
		c[i] = make(chan int, 64)
	}
	go func() {
		for i := 0; i < n; i++ {
			c[i%count] <- i
		}
	}()
	sum := 0
	for i := 0; i < n; i++ {
		v := 0
		if count == 2 {
			select {
			case v = <-c[0]:
			case v = <-c[1]:
			}
		} else {
			select {
			case v = <-c[0]:
			case v = <-c[1]:
			case v = <-c[2]:
			case v = <-c[3]:
			case v = <-c[4]:
			case v = <-c[5]:
			case v = <-c[6]:
			case v = <-c[7]:
			}
		}
		sum = (sum + v) & mask
	}
	return sum
}

func main() {
	n, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	what := "1x1"
	if len(os.Args) > 2 {
		what = os.Args[2]
	}
	begin := time.Now()
	sum := 0
	switch what {
	case "1x1":
		sum = through(n, 1)
	case "2x2":
		sum = through(n, 2)
	case "4x4":
		sum = through(n, 4)
	case "same":
		sum = same(n)
	case "ping-pong":
		sum = pingPong(n)
	case "select2":
		sum = selectOver(n, 2)
	case "select8":
		sum = selectOver(n, 8)
	default:
		panic(what)
	}
	fmt.Println(time.Since(begin).Nanoseconds(), sum)
}
