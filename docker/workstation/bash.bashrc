# For whoever opens a shell at a PC of the lab.
PS1='\h:\w\$ '
# SMTP wants lines that end with CR LF.
alias nc='nc -C'
