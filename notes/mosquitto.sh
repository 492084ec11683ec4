P=7799
for V in mqttv31 mqttv311 mqttv5; do
for Q in 0 1 2; do
 timeout 3 mosquitto_sub -p $P -V $V -t 'a/#' -q $Q -v -C 3 > /tmp/sub.out 2>&1 &
 sleep 0.25
 for i in 1 2 3; do mosquitto_pub -p $P -V $V -t a/b -m "m$i" -q $Q || echo pub failed; done
 wait %1; echo "$V q$Q rc=$? $(tr '\n' ' ' < /tmp/sub.out)"
done; done
