package flytoml_test

import (
	"fmt"

	"github.com/fly-aws/fly-aws/flytoml"
)

func ExampleSet() {
	src := []byte(`app = 'shop'

[env]
  PORT = '8080'  # the load balancer's

# Machines
[[vm]]
  memory = '1gb'
`)
	out, err := flytoml.Set(src, "AWS_REGION", "eu-central-1")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s", out)
	// Output:
	// app = 'shop'
	//
	// [env]
	//   PORT = '8080'  # the load balancer's
	//   AWS_REGION = 'eu-central-1'
	//
	// # Machines
	// [[vm]]
	//   memory = '1gb'
}

func ExampleSet_invalid() {
	_, err := flytoml.Set([]byte("[env]\n  PORT = 8080\n  PORT = 8081\n"), "PORT", "80")
	fmt.Println(err)
	// Output:
	// line 3, column 3: key PORT is already defined
}

func ExampleEnv() {
	src := []byte("[env]\nPORT = 8080\n")
	value, ok, err := flytoml.Env(src, "PORT")
	fmt.Println(value, ok, err)
	// Output:
	// 8080 true <nil>
}
