import paho.mqtt.client as m, paho.mqtt.properties as pr, paho.mqtt.packettypes as pt, paho.mqtt.subscribeoptions as so
import time, sys, socket, threading
P=int(sys.argv[1])
def mk(cid, proto=m.MQTTv5, clean=None, **k):
    c=m.Client(cid, protocol=proto, **({} if proto==m.MQTTv5 else {'clean_session': True if clean is None else clean}))
    c.msgs=[]; c.log=[]
    c.on_message=lambda c,u,x: c.msgs.append((x.topic,x.payload.decode(),x.qos,x.retain,x.dup,getattr(x,'properties',None)))
    c.on_connect=lambda c,u,f,rc,*p: (c.log.append(('conn',f,int(getattr(rc,'value',rc)),p[0].json() if p and p[0] else None)))
    c.on_disconnect=lambda c,u,rc,*p: c.log.append(('disc',rc))
    c.on_subscribe=lambda c,u,mid,rcs,*p: c.log.append(('suback',[getattr(r,'value',r) for r in rcs]))
    return c
def props(t,**k):
    p=pr.Properties(t)
    for a,b in k.items(): setattr(p,a,b)
    return p
def up(c,**k):
    c.connect('127.0.0.1',P,**k); c.loop_start(); wait(lambda: any(l[0]=='conn' for l in c.log))
def wait(f,t=3):
    e=time.time()+t
    while time.time()<e:
        if f(): return True
        time.sleep(.01)
    return False
def check(name, ok, extra=''):
    print(('ok   ' if ok else 'FAIL ')+name, extra if not ok else '', flush=True)
# retained
a=mk('a'); up(a)
a.publish('r/1','one',1,True); a.publish('r/2','two',0,True).wait_for_publish(); time.sleep(.1)
b=mk('b'); up(b); b.subscribe('r/#',1)
check('retained', wait(lambda: len(b.msgs)==2) and sorted(x[:4] for x in b.msgs)==[('r/1','one',1,1),('r/2','two',0,1)], b.msgs)
a.publish('r/1','',1,True).wait_for_publish()
check('retained delete is live', wait(lambda: len(b.msgs)==3) and b.msgs[-1][:4]==('r/1','',1,0), b.msgs)
c=mk('c'); up(c); c.subscribe('r/1',1); c.subscribe('r/2',1)
check('retained gone', wait(lambda: len(c.msgs)==1) and not wait(lambda: len(c.msgs)>1,.3), c.msgs)
c.msgs.clear(); c.subscribe('r/2',options=so.SubscribeOptions(qos=1,retainHandling=1)); check('handling 1', not wait(lambda: c.msgs,.3))
c.subscribe('r/2',options=so.SubscribeOptions(qos=1,retainHandling=0)); check('handling 0', wait(lambda: len(c.msgs)==1), c.msgs)
# session
d=mk('d'); up(d, clean_start=True, properties=props(pt.PacketTypes.CONNECT,SessionExpiryInterval=60)); d.subscribe('s/#',2); wait(lambda: any(l[0]=='suback' for l in d.log))
d.disconnect(); d.loop_stop()
for i in range(5): a.publish('s/x','m%d'%i,i%3).wait_for_publish()
time.sleep(.1)
d2=mk('d'); up(d2, clean_start=False, properties=props(pt.PacketTypes.CONNECT,SessionExpiryInterval=60))
check('session present', d2.log[0][1]['session present']==1, d2.log)
check('queued', wait(lambda: len(d2.msgs)==3) and [x[1:3] for x in d2.msgs]==[('m1',1),('m2',2),('m4',1)], d2.msgs)
# takeover
d3=mk('d'); up(d3, clean_start=False, properties=props(pt.PacketTypes.CONNECT,SessionExpiryInterval=60))
check('takeover', wait(lambda: any(l[0]=='disc' for l in d2.log)) , d2.log); d2.loop_stop()
a.publish('s/y','after',1).wait_for_publish(); check('taken over hears', wait(lambda: d3.msgs and d3.msgs[-1][1]=='after'), d3.msgs)
# will
w=mk('w'); w.will_set('will/w','gone',1,False); up(w)
b.subscribe('will/#',1); time.sleep(.1); w._sock_close(); w.loop_stop()
check('will', wait(lambda: b.msgs and b.msgs[-1][:2]==('will/w','gone')), b.msgs)
w=mk('w2'); w.will_set('will/w2','gone',1,False); up(w); w.disconnect(); w.loop_stop()
check('no will after disconnect', not wait(lambda: b.msgs[-1][0]=='will/w2',.3), b.msgs)
# v5 things
e=mk('e'); up(e, properties=props(pt.PacketTypes.CONNECT,ReceiveMaximum=2,TopicAliasMaximum=5)); 
p=props(pt.PacketTypes.SUBSCRIBE,SubscriptionIdentifier=7); e.subscribe('v/#',options=so.SubscribeOptions(qos=1,noLocal=True),properties=p)
p=props(pt.PacketTypes.SUBSCRIBE,SubscriptionIdentifier=9); e.subscribe('v/+',options=so.SubscribeOptions(qos=0,retainAsPublished=True),properties=p)
time.sleep(.2)
q=props(pt.PacketTypes.PUBLISH,ContentType='text/plain',ResponseTopic='x/y',CorrelationData=b'12',MessageExpiryInterval=100,PayloadFormatIndicator=1); q.UserProperty=[('k','v'),('k','w')]
a.publish('v/1','hello',1,True,properties=q).wait_for_publish()
ok=wait(lambda: e.msgs)
check('v5 props', ok, e.log)
if ok:
    x=e.msgs[0]; j=x[5].json(); check('overlap once, ids, props', len(e.msgs)==1 and sorted(j['SubscriptionIdentifier'])==[7,9] and j['UserProperty']==[('k','v'),('k','w')] and j['ContentType']=='text/plain' and j['ResponseTopic']=='x/y' and 98<=j['MessageExpiryInterval']<=100 and x[3]==1 and x[2]==1,(x,j))
e.msgs.clear(); e.publish('v/2','own',1).wait_for_publish(); check('no local one of two', wait(lambda: len(e.msgs)==1) and [getattr(x[5],'SubscriptionIdentifier',None) for x in e.msgs]==[[9]], [(x, x[5].json()) for x in e.msgs])
al=props(pt.PacketTypes.PUBLISH,TopicAlias=3)
a.publish('v/al','1',0,properties=al); a.publish('','2',0,properties=al); 
check('alias', wait(lambda: len(e.msgs)==3) and [x[:2] for x in e.msgs[-2:]]==[('v/al','1'),('v/al','2')], e.msgs)
# empty client id
f=mk(''); up(f); check('assigned', f.log[0][3] and 'AssignedClientIdentifier' in f.log[0][3], f.log)
# flood qos1, qos2 exactly
g=mk('g'); up(g); g.subscribe('f/#',2); time.sleep(.1)
N=5000
for i in range(N): a.publish('f/x',str(i),i%3)
check('flood', wait(lambda: len(g.msgs)==N,20), len(g.msgs))
for qq in range(3): 
    l=[int(x[1]) for x in g.msgs if x[2]==qq]; check('order q%d'%qq, l==sorted(l) and len(set(l))==len(l))
# text
s=socket.create_connection(('127.0.0.1',P)); s.sendall(b'SUBSCRIBER t/# time=0\n'); time.sleep(.2)
a.publish('t/1','from mqtt',1).wait_for_publish(); time.sleep(.2); print(s.recv(1000))
g.subscribe('t/2',0); time.sleep(.1); s2=socket.create_connection(('127.0.0.1',P)); s2.sendall(b'PUBLISHER t/2 name=eve\nfrom text\n')
check('text to mqtt', wait(lambda: g.msgs[-1][:2]==('t/2','from text')), g.msgs[-1])
# keepalive
k=socket.create_connection(('127.0.0.1',P)); k.sendall(b'\x10\x0d\x00\x04MQTT\x04\x02\x00\x01\x00\x01k'); k.settimeout(5); t0=time.time(); k.recv(100); r=k.recv(100); check('keep alive', r==b'' and 1.3<time.time()-t0<2.5, (r,time.time()-t0))
for x in (a,b,c,d3,e,f,g): x.disconnect(); x.loop_stop()
